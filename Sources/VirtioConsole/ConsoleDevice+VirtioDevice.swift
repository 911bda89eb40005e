import Virtio

// What the driver sees, and when it may be reached.
extension ConsoleDevice: VirtioDevice {
  /// VIRTIO_CONSOLE_F_SIZE: cols and rows are valid, and RESIZE may come. Always offered: drivers
  /// without MULTIPORT read the fields, those with it take messages only if it is negotiated.
  package static let sizeFeature = Features(bit: 0)
  /// VIRTIO_CONSOLE_F_MULTIPORT: more than port 0, and control queues.
  package static let multiportFeature = Features(bit: 1)
  /// VIRTIO_CONSOLE_F_EMERG_WRITE: emerg_wr may be written.
  package static let emergencyWriteFeature = Features(bit: 2)

  package var deviceID: UInt16 { 3 }

  package var offeredFeatures: Features {
    let always: Features = [Self.sizeFeature, Self.emergencyWriteFeature]
    return table.limit > 1 ? always.union(Self.multiportFeature) : always
  }

  package var queueCount: Int { table.queueCount }

  package func maximumSize(ofQueue index: Int) -> UInt16 { Self.queueSize }

  package var configurationLength: Int { ConsoleConfiguration.length }

  package func readConfiguration(offset: Int) -> UInt8 { configuration.byte(at: offset) }

  package var configurationChanges: UInt64 { configuration.changes }

  package func writeConfiguration(offset: Int, width: Int, value: UInt64) {
    guard offset == ConsoleConfiguration.emergencyWriteOffset else { return }
    emergencyOutput(UInt8(truncatingIfNeeded: value))
  }

  // MARK: The driver

  package func activate(
    queues: [Int: Virtqueue], features: Features, driver interrupt: any VirtioInterrupt
  ) {
    let driver = Driver(interrupt: interrupt, features: features, queues: queues)
    self.driver = driver
    tracer.note(.state, "driver ready\(driver.isMultiport ? "" : ", without MULTIPORT")")
    if driver.isMultiport {
      control.receiveSlot.queue = queues[ControlChannel.receiveQueueIndex]
      control.transmitSlot.queue = queues[ControlChannel.transmitQueueIndex]
    }
    for port in table.ports { connectQueues(of: port) }
    onDriver?()
    postService()
  }

  package func deactivate() {
    if !isFailing { tracer.note(.state, "reset") }
    driver = nil
    suspension.driverLeft()
    control.reset()
    schedule.removeAll()
    for port in table.ports { port.reset(using: batch) }
    postService()
  }

  package func serves(queue index: Int) -> Bool {
    lock.withLock { 2..<4 ~= index || table.port(ofQueue: index) != nil }
  }

  package func queueEnabled(_ index: Int, queue: Virtqueue) { replaceQueue(index, by: queue) }

  package func resetQueue(_ index: Int) { replaceQueue(index, by: nil) }

  /// Hands a queue to its owner, or takes it away, and has the owner look at it anew.
  private func replaceQueue(_ index: Int, by queue: Virtqueue?) {
    driver?.queues[index] = queue
    let isMultiport = driver?.isMultiport ?? false
    switch index {
    case ControlChannel.receiveQueueIndex where isMultiport: control.receiveSlot.queue = queue
    case ControlChannel.transmitQueueIndex where isMultiport: control.transmitSlot.queue = queue
    default:
      guard let port = table.port(ofQueue: index), port.hasQueues else { return }
      if PortTable.isTransmitQueue(index) {
        port.transmit.replaceQueue(by: queue, using: batch)
      } else {
        port.receive.slot.queue = queue
      }
      for lane in port.lanes { enqueue(lane) }
      return
    }
    postControl()
  }

  /// Gives a port the queues that the driver has set up for it. Without MULTIPORT there is port 0
  /// only, which is always open.
  func connectQueues(of port: Port) {
    guard let driver, driver.isMultiport || port.number == 0 else { return }
    let first = PortTable.receiveQueue(ofPort: port.number)
    port.connectQueues(
      receive: driver.queues[first], transmit: driver.queues[first + 1], using: batch)
    port.state.mayResize = driver.isMultiport && driver.readsSize
    if !driver.isMultiport { port.guestOpened(true) }
  }

  // MARK: Suspension

  /// Touches neither the guest's memory nor its interrupts until `resume`, but for what is asked of
  /// the device itself. On the I/O thread, with no vCPU running.
  package func pause() { lock.withLock { suspend(.paused) } }

  /// Goes on, with what has come in the pause. On the I/O thread.
  package func resume() { lock.withLock { resume(from: .paused) } }

  package func setReachesMemory(_ reaches: Bool) {
    if reaches { resume(from: .noAccess) } else { suspend(.noAccess) }
  }

  private func suspend(_ reason: Suspension.Reasons) {
    suspension.begin(reason)
    _ = schedule.endPolling()
  }

  private func resume(from reason: Suspension.Reasons) {
    guard suspension.end(reason), driver != nil else { return }
    suspension.hasMissedEvents = true
    if !schedule.isEmpty { postNextJob() }
    postService()
  }

  /// Tells the guest what could not be told while the device was suspended, for as long as there is
  /// time, before all is looked at anew. Returns whether that is done.
  func hasResumed(_ pass: Pass) throws(QueueFault) -> Bool {
    guard suspension.hasMissedEvents else { return true }
    if suspension.isConfigurationChangePending { pass.interrupt.notifyConfigurationChange() }
    suspension.isConfigurationChangePending = false
    for port in table.ports where port.number >= suspension.resumedPorts {
      guard pass.clock.hasTime() else { return false }
      try port.discardIfHostLeft(pass)
      control.enqueue(port)
      port.postponeHandover()
      scheduleHandover(of: port)
      suspension.resumedPorts = port.number + 1
    }
    suspension.hasMissedEvents = false
    return true
  }
}

/// Times in which the device leaves the guest's memory and processors alone: the machine is paused,
/// or the driver has taken the right to reach memory away.
///
/// Nothing is lost in such a time: what the guest hands over stays in its queues, what clients send in
/// their sockets, and messages are pending. After it everything is looked at anew, so that no
/// notification is needed.
struct Suspension {
  /// Why a device leaves the guest alone.
  struct Reasons: OptionSet {
    let rawValue: UInt8
    /// The machine is paused.
    static let paused = Reasons(rawValue: 1 << 0)
    /// The transport may not reach memory.
    static let noAccess = Reasons(rawValue: 1 << 1)
  }

  private var reasons: Reasons = []
  /// A suspension has ended, and the guest has not been told all that it missed.
  var hasMissedEvents = false
  /// Ports of lower numbers are done with that.
  var resumedPorts: UInt32 = 0
  /// The driver is to be told of a change of the configuration.
  var isConfigurationChangePending = false

  /// Whether the device is suspended, or is so for another reason than a pause.
  func holds(evenPaused: Bool = false) -> Bool {
    !reasons.subtracting(evenPaused ? .paused : []).isEmpty
  }

  mutating func begin(_ reason: Reasons) { reasons.formUnion(reason) }

  /// Returns whether the last reason is gone.
  mutating func end(_ reason: Reasons) -> Bool {
    guard reasons.contains(reason) else { return false }
    reasons.remove(reason)
    resumedPorts = 0
    return reasons.isEmpty
  }

  mutating func driverLeft() {
    hasMissedEvents = false
    isConfigurationChangePending = false
  }
}

/// The console device's configuration space (virtio 1.2, 5.3.4): le16 cols, le16 rows,
/// le32 max_nr_ports, le32 emerg_wr.
struct ConsoleConfiguration {
  /// Length in bytes.
  static let length = 12
  /// Offset of emerg_wr.
  static let emergencyWriteOffset = 8

  /// Port 0's, or what a terminal is taken to have until one is attached.
  var size = ConsoleSize(columns: 80, rows: 24) {
    didSet { if size != oldValue { changes &+= 1 } }
  }
  /// How often it has changed.
  private(set) var changes: UInt64 = 0
  let maximumPorts: UInt32

  init(maximumPorts: UInt32) { self.maximumPorts = maximumPorts }

  /// The byte at `offset`; zero for emerg_wr, which is only written.
  func byte(at offset: Int) -> UInt8 {
    let fields = UInt64(size.columns) | UInt64(size.rows) << 16 | UInt64(maximumPorts) << 32
    return offset < 8 ? UInt8(truncatingIfNeeded: fields >> UInt64(8 * offset)) : 0
  }
}
