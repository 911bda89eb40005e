import Chardev
import Host
import Virtio

/// The virtio console device with any number of ports (virtio 1.2, 5.3).
///
/// Maps queues and backends to ports, and makes passes over their lanes with the device locked: a lane
/// has one when its guest or its backend gives it cause to. If that was not enough, or others have used
/// up the loop's time, it waits in the schedule. Backends and queues are worked on by the I/O thread
/// only; a vCPU thread changes state (activation, reset) and leaves the work to it.
///
/// `@unchecked Sendable`: all state is guarded by `lock`, which only this type takes.
package final class ConsoleDevice: @unchecked Sendable {
  /// The entries a data queue has at most, and a control queue.
  package static let queueSize: UInt16 = 128
  /// Control messages taken from the guest in one turn: each may open a port, and take a call or two.
  private static let controlBudget = 64

  /// What lasts from DRIVER_OK to the next reset or fault.
  struct Driver {
    let interrupt: any VirtioInterrupt
    let features: Features
    var queues: [Int: Virtqueue]
    /// It has asked for the ports (or came back to them from sleep): it is to be told of new ones.
    var isListening = false
    /// The ports have been announced, so that asking again costs nothing.
    var hasAnnouncedPorts = false

    /// The driver knows of more ports than number 0, and talks on the control queues.
    var isMultiport: Bool { features.contains(ConsoleDevice.multiportFeature) }
    var readsSize: Bool { features.contains(ConsoleDevice.sizeFeature) }
  }

  /// Taken by every thread that enters the device.
  package let lock: DeviceLock
  let loop: LoopHandle
  let emergencyOutput: @Sendable (UInt8) -> Void
  let tracer: Tracer
  let onDriver: (@Sendable () -> Void)?
  let onConsoleOutput: (@Sendable (KernelFault) -> Void)?
  let resizeOrder: ResizeOrder

  let batch = ChainBatch()
  var table: PortTable
  /// Whose readiness is whose.
  var portsByBackend: [ObjectIdentifier: Port] = [:]
  var configuration: ConsoleConfiguration
  var control: ControlChannel
  var schedule = Schedule()
  var driver: Driver?
  var suspension = Suspension()
  /// Belongs to the I/O thread.
  package var ringWatch = RingWatch.everyEntry

  /// `serviceAll` is on its way: a guest that resets in a loop must not fill the loop's inbox.
  private var isServicePosted = false
  private var isLookPosted = false
  var isAttached = false
  /// A fault is being passed on, which makes the device inert without a reset by the driver.
  private(set) var isFailing = false
  // See `DeviceStatistics`.
  var ignoredMessageCount: UInt64 = 0
  private(set) var bytesToUnknownPorts: UInt64 = 0

  /// Makes the device with its ports.
  ///
  /// - Parameters:
  ///   - ports: those that ask for a number get it, wherever they stand in the list, then the others
  ///     are served. One that breaks the rules of `PortNumbers` is left out: check before.
  ///   - maximumPorts: what the guest is told, and one more than the highest port number.
  ///   - lock: the device's own; the transport takes the same.
  ///   - remote: the loop on whose thread the backends live.
  ///   - resizeOrder: how RESIZE names the size; a matter of the guest's kernel.
  ///   - emergencyOutput: where a byte written to emerg_wr goes; called on vCPU threads.
  ///   - trace: told of every control message and change of state; called with the device locked,
  ///     on the I/O thread or a vCPU's, so it must neither wait nor call the device.
  ///   - onDriver: called as `trace` is, when a driver comes (DRIVER_OK) and for each port that it
  ///     has made ready, which takes it long where there are thousands.
  ///   - onConsoleOutput: told that a console has printed something, and of what its kernel says of
  ///     itself there; called as `trace` is, on the I/O thread.
  package init(
    ports: [(configuration: PortConfiguration, chardev: any Chardev)], maximumPorts: Int,
    lock: DeviceLock, remote: LoopHandle, resizeOrder: ResizeOrder = .specification,
    emergencyOutput: @escaping @Sendable (UInt8) -> Void,
    trace: (@Sendable (TraceEvent) -> Void)? = nil,
    onDriver: (@Sendable () -> Void)? = nil,
    onConsoleOutput: (@Sendable (KernelFault) -> Void)? = nil
  ) {
    self.onDriver = onDriver
    self.onConsoleOutput = onConsoleOutput
    self.lock = lock
    loop = remote
    self.resizeOrder = resizeOrder
    self.emergencyOutput = emergencyOutput
    tracer = Tracer(sink: trace)
    control = ControlChannel(tracer: tracer)
    table = PortTable(limit: maximumPorts)
    configuration = ConsoleConfiguration(maximumPorts: UInt32(table.limit))
    let numbered = ports.filter { $0.configuration.number != nil }
    for port in numbered + ports.filter({ $0.configuration.number == nil }) {
      _ = try? makePort(port.configuration, backend: port.chardev)
    }
  }

  /// The loop's: every pass asks it whether it may go on.
  var clock: EventLoop.TurnClock { loop.clock }

  // MARK: Entering

  /// Enters the device on the I/O thread.
  func enter(
    _ body: (Pass) throws(QueueFault) -> Void, withoutDriver: () -> Void = {}
  ) {
    lock.withLock { whileLocked(body, withoutDriver: withoutDriver) }
  }

  /// Does `body` if a driver is there and its memory may be reached. A fault of the guest's makes the
  /// device inert.
  func whileLocked(
    evenPaused: Bool = false, _ body: (Pass) throws(QueueFault) -> Void,
    withoutDriver: () -> Void = {}
  ) {
    guard let driver, !suspension.holds(evenPaused: evenPaused) else { return withoutDriver() }
    let pass = Pass(
      batch: batch, interrupt: driver.interrupt, clock: clock, ringWatch: ringWatch)
    do throws(QueueFault) { try body(pass) } catch {
      tracer.note(.state, "needs reset: \(error)")
      isFailing = true
      driver.interrupt.fail(error)
      isFailing = false
    }
  }

  // MARK: Events

  package func queueNotified(_ index: Int) {
    enter { pass throws(QueueFault) in
      driver?.queues[index]?.countNotification()
      if index == ControlChannel.receiveQueueIndex || index == ControlChannel.transmitQueueIndex {
        return try serviceControl(pass)
      }
      try serviceControlIfDue(pass)
      guard let port = table.port(ofQueue: index), port.hasQueues else {
        return try returnBuffers(ofQueue: index, pass)
      }
      if PortTable.isTransmitQueue(index) {
        try service(port.transmit, pass)
      } else {
        try service(port.receive, pass)
      }
    }
  }

  /// A backend can move bytes.
  private func backendIsReady(_ backend: any Chardev, for lane: (Port) -> any Lane) {
    guard let port = portsByBackend[ObjectIdentifier(backend)] else { return }
    enter { pass throws(QueueFault) in
      try serviceControlIfDue(pass)
      try service(lane(port), pass)
    } withoutDriver: {
      port.runWithoutDriver(clock)
    }
  }

  /// A backend's client has come or gone, with the lock held.
  func clientChanged(of port: Port, isPresent: Bool) {
    whileLocked { pass throws(QueueFault) in
      port.clientChanged(isPresent: isPresent)
      try port.discardIfHostLeft(pass)
      try tellGuest(of: port, pass)
      try service(port, pass)
    } withoutDriver: {
      port.clientChanged(isPresent: isPresent, withDriver: driver != nil)
      port.runWithoutDriver(clock)
    }
    scheduleHandover(of: port)
  }

  /// Has everything looked at anew, with the lock held: after activation, when notifications may
  /// have come too early, and after a reset, when backends may no longer be read.
  func postService() {
    guard !isServicePosted else { return }
    isServicePosted = true
    loop.post { [weak self] in self?.serviceAll() }
  }

  private func serviceAll() {
    enter { pass throws(QueueFault) in
      isServicePosted = false
      guard try hasResumed(pass) else { return postService() }
      try serviceControl(pass)
      for port in table.ports { try service(port, pass) }
    } withoutDriver: {
      isServicePosted = false
      for port in table.ports { port.runWithoutDriver(clock) }
    }
  }

  // MARK: Passes, with the lock held

  func service(_ port: Port, _ pass: Pass) throws(QueueFault) {
    try service(port.transmit, pass)
    try service(port.receive, pass)
  }

  /// Makes a pass over a lane. A queued lane does not get its turn before the others for being called
  /// again; nor does any get one once there is no time, unless it is due.
  func service(
    _ lane: some Lane, _ pass: Pass, isDue: Bool = false
  ) throws(QueueFault) {
    guard lane.place != .queued else { return }
    guard isDue || pass.clock.hasTime() else { return enqueue(lane) }
    switch try lane.run(pass) {
    case .budgetSpent: enqueue(lane)
    case .queueEmpty where pass.mayPoll && lane.queue != nil: schedule.poll(lane)
    case .queueEmpty, .backendNotReady, .disconnected: schedule.rest(lane)
    }
  }

  /// Takes what the guest says on the control queue, and tells it what is pending.
  func serviceControl(_ pass: Pass) throws(QueueFault) {
    var messages: [ControlMessage] = []
    let more = try control.receive(pass, limit: Self.controlBudget) {
      if let message = ControlMessage($0) { messages.append(message) } else { ignore("no message") }
    }
    for message in messages { try handle(message, pass) }
    schedule.wantsControl = more
    if more { postNextJob() }
    try sendControl(pass)
  }

  /// The driver spins until a control message is taken: it does not wait for ports, but for the loop's
  /// other work where it sends them without end.
  func serviceControlIfDue(_ pass: Pass) throws(QueueFault) {
    guard try control.hasArrivals else { return }
    if pass.clock.hasTime() { try serviceControl(pass) } else { postControl() }
  }

  /// The driver of a port that is not there may be waiting for its buffers (one without MULTIPORT
  /// writes to port 0, there or not).
  func returnBuffers(ofQueue index: Int, _ pass: Pass) throws(QueueFault) {
    guard PortTable.isTransmitQueue(index), let queue = driver?.queues[index] else { return }
    defer { queue.publish(to: pass.interrupt) }
    for _ in 0..<Self.queueSize {
      guard let chain = try queue.next(.readable, using: pass.batch) else {
        if try queue.enableNotifications() { continue }
        return
      }
      bytesToUnknownPorts &+= UInt64(chain.byteCount)
      queue.complete(chain, written: 0)
      guard pass.clock.hasTime() else { break }
    }
    schedule.enqueue(unassignedQueue: index)
    postNextJob()
  }

  /// Passes on what the guest has handed over, one pass for each port for which there is time (chains
  /// may name the same memory many times over, so all of it could take minutes); returns whether a
  /// connected client may still take more. The others get their turns from the loop. On the I/O
  /// thread.
  ///
  /// - Parameter isLast: no pass comes after these, which are longer then.
  package func flush(isLast: Bool = false) -> Bool {
    var hasMore = false
    enter { pass throws(QueueFault) in
      for port in table.ports {
        if isLast {
          hasMore = try port.transmit.flush(pass) || hasMore
        } else {
          try service(port.transmit, pass)
          hasMore = hasMore || port.transmit.hasUnsentBytes
        }
      }
    } withoutDriver: {
      for port in table.ports {
        port.transmit.flushBacklog(clock)
        hasMore = hasMore || port.transmit.hasUnsentBytes
      }
    }
    return hasMore
  }

  /// Has the transmit queues looked at whose buffers may wait without a notification, with the lock
  /// held.
  func postLook() {
    guard !isLookPosted else { return }
    isLookPosted = true
    loop.post(afterMilliseconds: NotificationDelay.limitMilliseconds) { [weak self] in
      self?.lookAtDelayed()
    }
  }

  private func lookAtDelayed() {
    enter { pass throws(QueueFault) in
      isLookPosted = false
      try serviceControlIfDue(pass)
      let now = MonotonicClock.now()
      for port in table.ports where port.transmit.delay.isDelayed {
        if port.transmit.delay.reachesLimit(at: now) {
          try service(port.transmit, pass)
        } else {
          postLook()
        }
      }
    } withoutDriver: {
      isLookPosted = false
    }
  }

  // MARK: The schedule, with the lock held

  func enqueue(_ lane: any Lane) {
    schedule.enqueue(lane)
    postNextJob()
  }

  /// Has the control queues looked at by the I/O thread.
  func postControl() {
    schedule.wantsControl = true
    postNextJob()
  }

  /// One pass over one lane for each turn of the event loop, so that work that is little is done between.
  func postNextJob() {
    guard !schedule.isPosted else { return }
    schedule.isPosted = true
    loop.post { [weak self] in self?.doNextJob() }
  }

  private func doNextJob() {
    enter { pass throws(QueueFault) in
      schedule.isPosted = false
      if schedule.wantsControl { try serviceControl(pass) }
      try serviceControlIfDue(pass)
      switch schedule.next() {
      case .lane(let lane): try service(lane, pass, isDue: true)
      case .unassignedQueue(let index):
        // It may have got a port by now.
        if let port = table.port(ofQueue: index), port.hasQueues {
          try service(port.transmit, pass, isDue: true)
        } else {
          try returnBuffers(ofQueue: index, pass)
        }
      case nil: break
      }
      if !schedule.isEmpty { postNextJob() }
    } withoutDriver: {
      schedule.isPosted = false
    }
  }
}

// MARK: - Backends

extension ConsoleDevice: ChardevDelegate {
  package func chardevIsReadable(_ chardev: any Chardev) {
    backendIsReady(chardev) { $0.receive }
  }

  package func chardevIsWritable(_ chardev: any Chardev) {
    backendIsReady(chardev) { $0.transmit }
  }

  package func chardevDidConnect(_ chardev: any Chardev) { clientChanged(of: chardev, true) }

  package func chardevDidDisconnect(_ chardev: any Chardev) { clientChanged(of: chardev, false) }

  package func chardevDidResize(_ chardev: any Chardev) {
    lock.withLock {
      if let port = portsByBackend[ObjectIdentifier(chardev)] { takeSize(of: port) }
    }
  }

  private func clientChanged(of chardev: any Chardev, _ isPresent: Bool) {
    lock.withLock {
      guard let port = portsByBackend[ObjectIdentifier(chardev)] else { return }
      port.note("client \(isPresent ? "connected" : "disconnected")")
      clientChanged(of: port, isPresent: isPresent)
    }
  }
}
