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
package final class ConsoleDevice: @unchecked Sendable {
  /// VIRTIO_CONSOLE_F_SIZE: cols and rows are valid, and RESIZE may come. Always offered: drivers
  /// without MULTIPORT read the fields, those with it take messages only if it is negotiated.
  package static let sizeFeature = Features(bit: 0)
  /// VIRTIO_CONSOLE_F_MULTIPORT: more than port 0, and control queues.
  package static let multiportFeature = Features(bit: 1)
  /// VIRTIO_CONSOLE_F_EMERG_WRITE: emerg_wr may be written.
  package static let emergencyWriteFeature = Features(bit: 2)

  /// The entries a data queue has at most, and a control queue.
  package static let queueSize: UInt16 = 128

  /// Taken by everybody who enters the device.
  package let lock: DeviceLock

  let remote: LoopHandle
  let emergencyOutput: @Sendable (UInt8) -> Void
  let tracer: Tracer
  let onGuestOpen: (@Sendable (PortConfiguration, Bool) -> Void)?
  let onDriver: (@Sendable () -> Void)?
  let onConsoleOutput: (@Sendable (KernelFault) -> Void)?
  let resizeOrder: ResizeOrder
  let list = ChainBatch()
  var table: PortTable
  var configuration: ConsoleConfiguration
  var control: ControlChannel
  var runQueue = RunQueue()
  var watchedPorts: [Port] = []
  /// Belongs to the I/O thread.
  package var mayWatch = false

  // What lasts from DRIVER_OK to the next reset or fault.
  var driver: (any VirtioInterrupt)?
  var queues: [Int: Virtqueue] = [:]
  var features: Features = []
  /// The driver has asked for the ports (or a driver that slept has come back to them): it is to
  /// hear of new ones.
  var isDriverListening = false
  /// The ports have been announced, so that the driver's asking again costs nothing.
  var hasAnnouncedPorts = false

  /// Why the guest's memory is left alone now; see `ConsoleDevice+Hold.swift`.
  var holds: SuspendReasons = []
  /// A hold has ended, and is to be made up for.
  var hasMissedEvents = false
  /// Ports of lower numbers are done with that.
  var madeUpPorts: UInt32 = 0
  /// The driver is to hear of a change of the configuration after the hold.
  var owesConfigurationChange = false

  /// `serviceAll` is on its way: a guest that resets in a loop must not fill the loop's inbox.
  var isServicePosted = false
  private var isAttached = false
  /// A fault is being passed on, which makes the device inert without a reset by the driver.
  var isFailing = false

  // See `DeviceStatistics`.
  var ignoredMessageCount: UInt64 = 0
  var bytesToUnknownPorts: UInt64 = 0

  /// Makes the device with its ports.
  ///
  /// - Parameters:
  ///   - ports: those that ask for a number get it, wherever they stand in the list, then the others
  ///     are served. One that breaks the rules of `PortNumbers` is left out: check before.
  ///   - maximumPorts: what the guest is told, and one more than the highest port number.
  ///   - lock: the device's own; the transport takes the same.
  ///   - remote: the loop on whose thread the chardevs live.
  ///   - resizeOrder: how RESIZE names the size; a matter of the guest's kernel.
  ///   - emergencyOutput: where a byte written to emerg_wr goes; called on vCPU threads.
  ///   - trace: hears of every control message and change of state; called with the device locked,
  ///     on the I/O thread or a vCPU's, so it must neither wait nor call the device.
  ///   - onGuestOpen: hears of each port that the guest opens or closes; called as `trace` is.
  ///   - onDriver: called as `trace` is, when a driver comes (DRIVER_OK) and for each port that it
  ///     has made ready, which takes it long where there are thousands.
  ///   - onConsoleOutput: told that a console has printed something, and of what its kernel says of
  ///     itself there; called as `trace` is, on the I/O thread.
  package init(
    ports: [(configuration: PortConfiguration, chardev: any Chardev)], maximumPorts: Int,
    lock: DeviceLock, remote: LoopHandle, resizeOrder: ResizeOrder = .specification,
    emergencyOutput: @escaping @Sendable (UInt8) -> Void,
    trace: (@Sendable (TraceEvent) -> Void)? = nil,
    onGuestOpen: (@Sendable (PortConfiguration, Bool) -> Void)? = nil,
    onDriver: (@Sendable () -> Void)? = nil,
    onConsoleOutput: (@Sendable (KernelFault) -> Void)? = nil
  ) {
    self.onGuestOpen = onGuestOpen
    self.onDriver = onDriver
    self.onConsoleOutput = onConsoleOutput
    self.lock = lock
    self.remote = remote
    self.resizeOrder = resizeOrder
    self.emergencyOutput = emergencyOutput
    tracer = Tracer(sink: trace)
    control = ControlChannel(tracer: tracer)
    table = PortTable(limit: maximumPorts)
    configuration = ConsoleConfiguration(maximumPorts: UInt32(table.limit))
    let wishes = ports.filter { $0.configuration.number != nil }
    for port in wishes + ports.filter({ $0.configuration.number == nil }) {
      _ = try? makePort(port.configuration, chardev: port.chardev)
    }
  }

  /// Begins to listen to the chardevs; on the I/O thread, once they are started.
  package func attach() {
    lock.withLock {
      isAttached = true
      for port in table.ports { attach(port) }
      postService()
    }
  }

  /// Stops listening to the chardevs, which live on; on the I/O thread. The guest is gone: its ports
  /// close, and what their host ends have not taken by now is counted as lost.
  package func detach() {
    lock.withLock {
      isAttached = false
      for port in table.ports {
        endWatch(of: port)
        port.guestOpened(false)
        port.end(using: list, clock: clock)
      }
    }
  }

  // MARK: Ports that come and go

  /// Adds a port while the machine runs: a driver that listens hears of it (virtio 1.2, 5.3.6.1).
  /// On the I/O thread; the chardev has been started.
  ///
  /// - Returns: the port's number.
  /// - Throws: if the number asked for cannot be had, or none is left, or a port of this device has
  ///   the name. Whether one of another device has it is for the caller to check.
  @discardableResult
  package func addPort(
    _ configuration: PortConfiguration, chardev: any Chardev
  ) throws(PortError) -> UInt32 {
    try lock.withLock { () throws(PortError) -> UInt32 in
      let port = try makePort(configuration, chardev: chardev)
      port.wasHotAdded = true
      tracer.note(.state, "port \(port.number): added")
      if isAttached { attach(port) }
      if driver != nil, !isMultiport { connectQueues(of: port) }
      if isDriverListening { port.state.deviceReady() }
      whileLocked { driver throws(QueueFault) in
        try tellGuest(of: port, driver: driver)
        try takeTurns(port, driver: driver)
      } inert: {
        port.takeTurnWithoutDriver(clock)
      }
      return port.number
    }
  }

  /// Removes a port, without asking the guest. What the guest has written and the client takes now
  /// is passed on, the rest returned to the guest and counted, in a pause as well; the chardev is let
  /// go, with its client. On the I/O thread.
  ///
  /// - Returns: what went through the port.
  @discardableResult
  package func removePort(number: UInt32) throws(PortError) -> PortStatistics {
    try lock.withLock { () throws(PortError) -> PortStatistics in
      let port = try table.remove(number)
      clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
      whileLocked(evenPaused: true) { driver throws(QueueFault) in
        try port.farewell(using: list, clock: clock, driver: driver)
      } inert: {
      }
      port.end(using: list, clock: clock)
      runQueue.remove(port)
      endWatch(of: port)
      control.remove(port)
      let lost = port.statistics.bytesDiscarded &+ port.statistics.bytesDropped
      tracer.note(
        .state, "port \(number): removed" + (lost > 0 ? ", \(lost) bytes lost in its life" : ""))
      whileLocked { driver throws(QueueFault) in
        try sendControl(driver: driver)
      } inert: {
      }
      return port.report
    }
  }

  /// Gives a port another chardev, which has been started; the one before is let go. Drivers hear of
  /// it as of a client that leaves and one that comes. On the I/O thread; without effect where there
  /// is no such port.
  package func exchangeChardev(ofPort number: UInt32, for chardev: any Chardev) {
    lock.withLock {
      guard let port = table[number] else { return }
      port.exchangeChardev(for: chardev)
      tracer.note(.state, "port \(number): other host end")
      hostSideChanged(ofLocked: port, open: false)
      guard isAttached else { return }
      attach(port)
      hostSideChanged(ofLocked: port, open: chardev.isConnected)
    }
  }

  // MARK: What happens on it

  /// What it is doing, and what happened on it and its ports since it was made. On any thread.
  package var statistics: DeviceStatistics {
    lock.withLock {
      var result = DeviceStatistics(ports: table.ports.map(\.report))
      result.ignoredMessageCount = ignoredMessageCount
      result.bytesToUnknownPorts = bytesToUnknownPorts
      result.controlReceiveQueue = control.receiveSlot.statistics
      result.controlTransmitQueue = control.transmitSlot.statistics
      return result
    }
  }

  /// Bytes that backends have taken since the device was made. On any thread.
  package var bytesToHost: UInt64 {
    lock.withLock { table.ports.reduce(0) { $0 &+ $1.statistics.bytesToHost } }
  }

  /// Bytes that have left this process and wait for their readers, as far as the host tells. On the
  /// I/O thread.
  package var unreadByteCount: Int {
    lock.withLock { table.ports.reduce(0) { $0 &+ $1.chardev.outputStatus.unreadByteCount } }
  }

  /// Whether the guest has a port open; false where there is no such port. On any thread.
  package func isOpenInGuest(port number: UInt32) -> Bool {
    lock.withLock { table[number]?.state.isGuestOpen ?? false }
  }

  private func makePort(
    _ configuration: PortConfiguration, chardev: any Chardev
  ) throws(PortError) -> Port {
    let port = try table.add(configuration) { number in
      Port(
        number: number, configuration: configuration, chardev: chardev, resizeOrder: resizeOrder)
    }
    port.device = self
    return port
  }

  private func attach(_ port: Port) {
    port.chardev.delegate = port
    port.clientChanged(isPresent: port.chardev.isConnected)
    takeSize(of: port)
  }
}
