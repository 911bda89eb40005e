import Devices

// From the device to the driver.
extension VirtioPCIFunction: VirtioInterrupt {
  package func notifyUsedBuffers(queue: Int) {
    interrupts.raise(
      .usedBuffers, vector: common.vectors.vector(ofQueue: queue), in: &configuration)
  }

  package func notifyConfigurationChange() {
    interrupts.raise(
      .configurationChange, vector: common.vectors.configuration, in: &configuration)
  }

  package func fail(_ fault: QueueFault) {
    onFault(fault)
    if controller.setNeedsReset() { notifyConfigurationChange() }
  }
}

/// How a virtio-pci function interrupts: by MSI-X where the driver has switched to it, else by the
/// ISR status byte and the INTx pin (virtio 1.2, 4.1.4.5, 4.1.5.1.2, 4.1.5.3, 4.1.5.4).
///
/// A value without a lock: it lives under its function's.
struct FunctionInterrupts {
  /// What to tell; the raw value is the bit of the ISR status.
  enum Cause: UInt8 {
    case usedBuffers = 1
    case configurationChange = 2
  }

  /// The vectors, unless the function has none.
  var messages: MSIXTable?
  private let capability: Int
  private var pin: InterruptPin
  private var status: UInt8 = 0

  /// - Parameter capability: where MSI-X is in configuration space, if it is.
  init(messages: MSIXTable?, capability: Int, line: any InterruptLine) {
    self.messages = messages
    self.capability = capability
    pin = InterruptPin(line: line)
  }

  /// Whether the driver has switched the function to MSI-X.
  var usesMessages: Bool { messages?.isEnabled ?? false }

  /// Follows the guest's writes to configuration space; to be called after each.
  mutating func follow(_ space: inout ConfigurationSpace) {
    messages?.update(from: space, capability: capability)
    pin.isDisabled = space.isINTxDisabled
    settle(&space)
  }

  /// Tells the driver. With MSI-X the ISR status has no bit for used buffers, but that for
  /// configuration changes it always has.
  mutating func raise(_ cause: Cause, vector: UInt16, in space: inout ConfigurationSpace) {
    guard usesMessages else {
      status |= cause.rawValue
      return settle(&space)
    }
    if cause == .configurationChange { status |= cause.rawValue }
    messages?.trigger(vector: Int(vector))
  }

  /// The ISR status, which reading acknowledges.
  mutating func acknowledge(in space: inout ConfigurationSpace) -> UInt8 {
    defer {
      status = 0
      settle(&space)
    }
    return status
  }

  private mutating func settle(_ space: inout ConfigurationSpace) {
    let isWaiting = status != 0 && !usesMessages
    space.hasInterruptStatus = isWaiting
    pin.isAsserted = isWaiting
  }
}

/// Which MSI-X vector each of a device's events goes to (virtio 1.2, 4.1.5.1.2). The modern and the
/// legacy interface show the same one.
struct VectorMap {
  /// VIRTIO_MSI_NO_VECTOR: the event does not interrupt.
  static let none: UInt16 = 0xffff

  /// How many queues there are.
  let queueCount: Int
  /// Of configuration changes.
  private(set) var configuration = none
  private let vectorCount: Int
  /// Sparse, since a device may have 65534 queues.
  private var queues: [Int: UInt16] = [:]

  init(queueCount: Int, vectorCount: Int) {
    self.queueCount = queueCount
    self.vectorCount = vectorCount
  }

  /// Of used buffers of queue `index`; none for a queue that is not there.
  func vector(ofQueue index: Int) -> UInt16 { queues[index] ?? Self.none }

  /// The driver's choice; a vector that does not exist reads back as none.
  mutating func setConfiguration(_ vector: UInt16) { configuration = checked(vector) }

  /// The driver's choice; nothing happens for a queue that is not there.
  mutating func set(_ vector: UInt16, ofQueue index: Int) {
    guard index >= 0, index < queueCount else { return }
    queues[index] = checked(vector)
  }

  /// No event goes anywhere.
  mutating func reset() {
    configuration = Self.none
    queues = [:]
  }

  private func checked(_ vector: UInt16) -> UInt16 {
    Int(vector) < vectorCount ? vector : Self.none
  }
}
