import Devices

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
