import Chardev
import Host
import Virtio

/// The virtio console device with any number of ports (virtio 1.2, 5.3).
///
/// Maps queues to ports, answers the configuration space, and enters the ports' paths with the
/// device locked. Chardevs and queues are worked on by the I/O thread only; a vCPU thread changes
/// state (activation, reset) and leaves the work to it.
///
/// `@unchecked Sendable`: all state is guarded by `lock`.
package final class SerialDevice: @unchecked Sendable {
  /// VIRTIO_CONSOLE_F_SIZE: cols and rows are valid.
  package static let sizeFeature = Features(bit: 0)
  /// VIRTIO_CONSOLE_F_MULTIPORT: more than port 0, and control queues.
  package static let multiportFeature = Features(bit: 1)
  /// VIRTIO_CONSOLE_F_EMERG_WRITE: emerg_wr may be written.
  package static let emergencyWriteFeature = Features(bit: 2)

  /// The entries a data queue has at most, and a control queue.
  package static let queueSize: UInt16 = 128
  /// Control messages taken from the guest in one turn.
  private static let controlBudget = 256

  /// Taken by everybody who enters the device.
  package let lock: DeviceLock

  private let configuration: ConsoleConfiguration
  private let remote: EventLoop.Remote
  private let emergencyOutput: @Sendable (UInt8) -> Void
  private let list = SegmentList()
  private var table: PortTable
  private var control = ControlChannel()
  private var driver: (any DriverNotifier)?
  private var queues: [Int: Virtqueue] = [:]
  private var isMultiport = false
  /// `serviceAll` is on its way: a guest that resets in a loop must not fill the loop's inbox.
  private var isServicePosted = false

  /// Control messages that meant nothing: too short, unknown, or for a port that is not there.
  package private(set) var ignoredMessages = 0

  /// Makes the device with its ports.
  ///
  /// - Parameters:
  ///   - ports: as `PortNumbers.assign` has accepted them; one that breaks its rules is left out.
  ///   - maximumPorts: what the guest is told, and one more than the highest port number.
  ///   - remote: the loop on whose thread the chardevs live.
  ///   - emergencyOutput: where a byte written to emerg_wr goes; called on vCPU threads.
  package init(
    ports: [(configuration: PortConfiguration, chardev: any Chardev)], maximumPorts: Int,
    lock: DeviceLock, remote: EventLoop.Remote,
    emergencyOutput: @escaping @Sendable (UInt8) -> Void
  ) {
    self.lock = lock
    self.remote = remote
    self.emergencyOutput = emergencyOutput
    table = PortTable(limit: maximumPorts)
    configuration = ConsoleConfiguration(maximumPorts: UInt32(table.limit))
    let wishes = ports.filter { $0.configuration.number != nil }
    for port in wishes + ports.filter({ $0.configuration.number == nil }) {
      let added = try? table.add(port.configuration) { number in
        Port(id: number, configuration: port.configuration, chardev: port.chardev)
      }
      added?.device = self
    }
  }

  /// Begins to listen to the chardevs; on the I/O thread, once they are started.
  package func attach() {
    for port in table.ports { port.chardev.delegate = port }
    lock.withLock {
      for port in table.ports { port.state.hostOpened(port.chardev.isConnected) }
    }
  }

  /// Stops listening to the chardevs, which live on; on the I/O thread.
  package func detach() {
    for port in table.ports {
      port.chardev.delegate = nil
      port.chardev.setWantsReadable(false)
      port.chardev.setWantsWritable(false)
    }
  }

  /// What went through each port, by ascending number.
  package var counters: [PortCounters] { lock.withLock { table.ports.map(\.counters) } }

  /// Passes on what the guest has handed over, one turn for each port (chains may name the same
  /// memory many times over, so all of it could take minutes); returns whether a connected client
  /// may still take more. On the I/O thread.
  package func flush() -> Bool {
    var left = false
    enter { driver throws(QueueFault) in
      for port in table.ports { left = try port.flush(using: list, driver: driver) || left }
    } inert: {
    }
    return left
  }

  // MARK: Entries from the I/O thread

  func hostSideChanged(of port: Port, open: Bool) {
    enter { driver throws(QueueFault) in
      port.state.hostOpened(open)
      try tellGuest(of: port, driver: driver)
      try takeTurns(port, driver: driver)
    } inert: {
      port.state.hostOpened(open)
    }
  }

  func hostSideIsReadable(of port: Port) {
    enter { driver throws(QueueFault) in
      try port.takeReceiveTurn(using: list, driver: driver)
    } inert: {
      port.chardev.setWantsReadable(false)
    }
  }

  func hostSideIsWritable(of port: Port) {
    enter { driver throws(QueueFault) in
      try takeTransmitTurn(port, driver: driver)
    } inert: {
      port.chardev.setWantsWritable(false)
    }
  }

  /// Looks at everything anew: after activation, when notifications may have come too early, and
  /// after a reset, when chardevs may no longer be read.
  private func serviceAll() {
    lock.withLock { isServicePosted = false }
    enter { driver throws(QueueFault) in
      try takeControlTurn(driver: driver)
      for port in table.ports { try takeTurns(port, driver: driver) }
    } inert: {
      for port in table.ports {
        port.chardev.setWantsReadable(false)
        port.chardev.setWantsWritable(false)
      }
    }
  }

  // MARK: Turns, with the lock held

  private func takeTurns(_ port: Port, driver: any DriverNotifier) throws(QueueFault) {
    try takeTransmitTurn(port, driver: driver)
    try port.takeReceiveTurn(using: list, driver: driver)
  }

  private func takeTransmitTurn(_ port: Port, driver: any DriverNotifier) throws(QueueFault) {
    guard try port.takeTransmitTurn(using: list, driver: driver) else { return }
    remote.post { [weak self] in self?.hostSideIsWritable(of: port) }
  }

  private func takeControlTurn(driver: any DriverNotifier) throws(QueueFault) {
    var messages: [ControlMessage] = []
    let more = try control.receive(using: list, limit: Self.controlBudget, driver: driver) {
      if let message = ControlMessage($0) { messages.append(message) } else { ignoredMessages += 1 }
    }
    for message in messages { try handle(message, driver: driver) }
    try control.send(using: list, driver: driver)
    if more {
      remote.post { [weak self] in self?.queueNotified(ControlChannel.transmitQueueIndex) }
    }
  }

  private func tellGuest(of port: Port, driver: any DriverNotifier) throws(QueueFault) {
    control.enqueue(port)
    try control.send(using: list, driver: driver)
  }

  private func handle(_ message: ControlMessage, driver: any DriverNotifier) throws(QueueFault) {
    if message.event == .deviceReady {
      guard message.value == 1 else { return }
      for port in table.ports {
        port.state.deviceReady()
        control.enqueue(port)
      }
      return
    }
    guard let port = table[message.port] else {
      ignoredMessages += 1
      return
    }
    switch message.event {
    case .portReady where message.value == 1:
      port.state.portReady()
      control.enqueue(port)
    case .portReady:
      port.state.portFailed()
      try port.takeReceiveTurn(using: list, driver: driver)
    case .portOpen:
      port.state.guestOpened(message.value != 0)
      try takeTurns(port, driver: driver)
    default: ignoredMessages += 1  // only the device may say this
    }
  }

  /// Enters the device on the I/O thread. A fault of the guest's makes the device inert.
  private func enter(
    _ body: (any DriverNotifier) throws(QueueFault) -> Void, inert: () -> Void
  ) {
    lock.withLock {
      guard let driver else { return inert() }
      do throws(QueueFault) { try body(driver) } catch { driver.fail(error) }
    }
  }
}

// MARK: - What the driver sees

extension SerialDevice: VirtioDevice {
  package var deviceID: UInt16 { 3 }

  package var offeredFeatures: Features {
    let always: Features = [Self.sizeFeature, Self.emergencyWriteFeature]
    return table.limit > 1 ? always.union(Self.multiportFeature) : always
  }

  package var queueCount: Int { table.queueCount }

  package func maximumSize(ofQueue index: Int) -> UInt16 { Self.queueSize }

  package var configurationLength: Int { ConsoleConfiguration.length }

  package func readConfiguration(offset: Int) -> UInt8 { configuration.byte(at: offset) }

  package func writeConfiguration(offset: Int, width: Int, value: UInt64) {
    guard offset == ConsoleConfiguration.emergencyWriteOffset else { return }
    emergencyOutput(UInt8(truncatingIfNeeded: value))
  }

  package func activate(queues: [Int: Virtqueue], features: Features, driver: any DriverNotifier) {
    self.driver = driver
    isMultiport = features.contains(Self.multiportFeature)
    if !isMultiport { table[0]?.state.guestOpened(true) }
    for (index, queue) in queues { connect(index, queue) }
    postService()
  }

  package func queueEnabled(_ index: Int, queue: Virtqueue) {
    connect(index, queue)
    postService()
  }

  package func resetQueue(_ index: Int) {
    connect(index, nil)
    postService()
  }

  /// Hands a queue to whom it belongs, or takes it away. Without MULTIPORT there is but port 0.
  private func connect(_ index: Int, _ queue: Virtqueue?) {
    queues[index] = queue
    guard isMultiport || index < ControlChannel.receiveQueueIndex else { return }
    switch index {
    case ControlChannel.receiveQueueIndex: control.receiveQueue = queue
    case ControlChannel.transmitQueueIndex: control.transmitQueue = queue
    case _ where PortTable.isTransmitQueue(index):
      table.port(ofQueue: index)?.transmitQueue = queue
    default: table.port(ofQueue: index)?.receiveQueue = queue
    }
  }

  package func deactivate() {
    driver = nil
    queues = [:]
    control.reset()
    for port in table.ports { port.reset() }
    postService()
  }

  private func postService() {
    guard !isServicePosted else { return }
    isServicePosted = true
    remote.post { [weak self] in self?.serviceAll() }
  }

  package func queueNotified(_ index: Int) {
    enter { driver throws(QueueFault) in
      if index == ControlChannel.receiveQueueIndex || index == ControlChannel.transmitQueueIndex {
        return try takeControlTurn(driver: driver)
      }
      guard let port = table.port(ofQueue: index) else {
        return try discard(queueAt: index, driver: driver)
      }
      if PortTable.isTransmitQueue(index) {
        try takeTransmitTurn(port, driver: driver)
      } else {
        try port.takeReceiveTurn(using: list, driver: driver)
      }
    } inert: {
    }
  }

  /// The driver of a port that is not there may be waiting for its buffers (one without MULTIPORT
  /// writes to port 0, there or not).
  private func discard(queueAt index: Int, driver: any DriverNotifier) throws(QueueFault) {
    guard PortTable.isTransmitQueue(index), let queue = queues[index],
      try queue.returnUnread(limit: Int(Self.queueSize), using: list, driver: driver)
    else { return }
    remote.post { [weak self] in self?.queueNotified(index) }
  }
}
