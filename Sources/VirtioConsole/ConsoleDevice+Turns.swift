import Chardev
import Host
import Virtio

// What happens on the I/O thread: a port takes its turn when its client or its guest gives it cause
// to. If that was not enough, or others have used the loop's time up, it waits in the run queue.
extension ConsoleDevice {
  /// Control messages taken from the guest in one turn: each may open a port, and take a call or two.
  private static let controlBudget = 64

  // MARK: Causes

  func hostSideChanged(of port: Port, open: Bool) {
    tracer.note(.state, "port \(port.number): client \(open ? "connected" : "disconnected")")
    lock.withLock { hostSideChanged(ofLocked: port, open: open) }
  }

  /// The same with the lock held.
  func hostSideChanged(ofLocked port: Port, open: Bool) {
    whileLocked { driver throws(QueueFault) in
      port.clientChanged(isPresent: open)
      try port.discardIfHostLeft(using: list, driver: driver)
      try tellGuest(of: port, driver: driver)
      try takeTurns(port, driver: driver)
    } inert: {
      port.clientChanged(isPresent: open)
      if !open { port.owesDiscard = driver != nil }
      port.takeTurnWithoutDriver(clock)
    }
    scheduleHandover(of: port)
  }

  func hostSideIsReadable(of port: Port) { takeTurn(.receive, of: port) }

  func hostSideIsWritable(of port: Port) { takeTurn(.transmit, of: port) }

  private func takeTurn(_ turn: Port.Turns, of port: Port) {
    enter { driver throws(QueueFault) in
      try takeControlTurnIfDue(driver: driver)
      try takeTurn(turn, of: port, driver: driver)
    } inert: {
      port.takeTurnWithoutDriver(clock)
    }
  }

  package func queueNotified(_ index: Int) {
    enter { driver throws(QueueFault) in
      queues[index]?.countNotification()
      if index == ControlChannel.receiveQueueIndex || index == ControlChannel.transmitQueueIndex {
        return try takeControlTurn(driver: driver)
      }
      try takeControlTurnIfDue(driver: driver)
      guard let port = table.port(ofQueue: index), port.hasQueues else {
        return try returnBuffers(ofQueue: index, driver: driver)
      }
      try takeTurn(
        PortTable.isTransmitQueue(index) ? .transmit : .receive, of: port, driver: driver)
    } inert: {
    }
  }

  /// Passes on what the guest has handed over, one turn for each port for which there is time (chains
  /// may name the same memory many times over, so all of it could take minutes); returns whether a
  /// connected client may still take more. The others get their turns from the loop. On the I/O
  /// thread.
  ///
  /// - Parameter isLast: no turn comes after these, which are longer then.
  package func flush(isLast: Bool = false) -> Bool {
    var left = false
    enter { driver throws(QueueFault) in
      for port in table.ports {
        if isLast {
          left = try port.flush(using: list, clock: clock, driver: driver) || left
        } else {
          try takeTurn(.transmit, of: port, driver: driver)
          left = left || port.hasUnsentBytes
        }
      }
    } inert: {
      for port in table.ports {
        port.flushBacklog(clock)
        left = left || port.hasUnsentBytes
      }
    }
    return left
  }

  /// Has everything looked at anew, with the lock held: after activation, when notifications may
  /// have come too early, and after a reset, when chardevs may no longer be read.
  func postService() {
    guard !isServicePosted else { return }
    isServicePosted = true
    remote.post { [weak self] in self?.serviceAll() }
  }

  private func serviceAll() {
    enter { driver throws(QueueFault) in
      isServicePosted = false
      guard try hasResumed(driver: driver) else { return postService() }
      try takeControlTurn(driver: driver)
      for port in table.ports { try takeTurns(port, driver: driver) }
    } inert: {
      isServicePosted = false
      for port in table.ports { port.takeTurnWithoutDriver(clock) }
    }
  }

  // MARK: Turns, with the lock held

  func takeTurns(_ port: Port, driver: any VirtioInterrupt) throws(QueueFault) {
    try takeTurn(.transmit, of: port, driver: driver)
    try takeTurn(.receive, of: port, driver: driver)
  }

  /// A port that waits for its turn already does not get one before the others for being called
  /// again; nor does any get one once there is no time, unless it is due.
  func takeTurn(
    _ turn: Port.Turns, of port: Port, isDue: Bool = false, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    guard port.pendingTurns.isDisjoint(with: turn) else { return }
    if isDue || clock.hasTime() {
      let end =
        turn == .transmit
        ? try port.takeTransmitTurn(mayWatch: mayWatch, using: list, clock: clock, driver: driver)
        : try port.takeReceiveTurn(mayWatch: mayWatch, using: list, clock: clock, driver: driver)
      if end == .watch { watch(turn, of: port) } else { port.watchedTurns.subtract(turn) }
      guard end == .more else { return }
    }
    runQueue.add(turn, for: port)
    postRun()
  }

  func takeControlTurn(driver: any VirtioInterrupt) throws(QueueFault) {
    var messages: [ControlMessage] = []
    let more = try control.receive(
      using: list, limit: Self.controlBudget, clock: clock, driver: driver
    ) {
      if let message = ControlMessage($0) { messages.append(message) } else { ignore("no message") }
    }
    for message in messages { try handle(message, driver: driver) }
    runQueue.wantsControl = more
    if more { postRun() }
    try sendControl(driver: driver)
  }

  /// Tells the guest what it is owed.
  func sendControl(driver: any VirtioInterrupt) throws(QueueFault) {
    if try control.send(using: list, clock: clock, driver: driver) { postControlTurn() }
  }

  /// The driver spins until a control message is taken: it does not wait for ports, but for the loop's
  /// other work where it sends them without end.
  func takeControlTurnIfDue(driver: any VirtioInterrupt) throws(QueueFault) {
    guard try control.hasArrivals else { return }
    if clock.hasTime() { try takeControlTurn(driver: driver) } else { postControlTurn() }
  }

  /// The driver of a port that is not there may be waiting for its buffers (one without MULTIPORT
  /// writes to port 0, there or not).
  func returnBuffers(
    ofQueue index: Int, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    guard PortTable.isTransmitQueue(index), let queue = queues[index] else { return }
    let returned = try queue.returnUnread(
      limit: Int(Self.queueSize), using: list, clock: clock, driver: driver)
    bytesToUnknownPorts &+= UInt64(returned.byteCount)
    guard returned.mayBeMore else { return }
    runQueue.add(orphan: index)
    postRun()
  }

  // MARK: The run queue

  /// One turn of one port for each turn of the event loop, so that whoever has little to do is
  /// heard between.
  func postRun() {
    guard !runQueue.isPosted else { return }
    runQueue.isPosted = true
    remote.post { [weak self] in self?.runNext() }
  }

  /// Has a port looked at by the I/O thread, with the lock held.
  func postTurns(of port: Port) {
    runQueue.add([.transmit, .receive], for: port)
    postRun()
  }

  /// Has the control queues looked at by the I/O thread, with the lock held.
  func postControlTurn() {
    runQueue.wantsControl = true
    postRun()
  }

  private func runNext() {
    enter { driver throws(QueueFault) in
      runQueue.isPosted = false
      if runQueue.wantsControl { try takeControlTurn(driver: driver) }
      try takeControlTurnIfDue(driver: driver)
      switch runQueue.next() {
      case .port(let port):
        let turns = port.pendingTurns
        port.pendingTurns = []
        if turns.contains(.transmit) {
          try takeTurn(.transmit, of: port, isDue: true, driver: driver)
        }
        if turns.contains(.receive) {
          try takeTurn(.receive, of: port, isDue: true, driver: driver)
        }
      case .orphan(let queue):
        // It may have got a port meanwhile.
        if let port = table.port(ofQueue: queue), port.hasQueues {
          try takeTurn(.transmit, of: port, isDue: true, driver: driver)
        } else {
          try returnBuffers(ofQueue: queue, driver: driver)
        }
      case nil: break
      }
      if !runQueue.isEmpty { postRun() }
    } inert: {
      runQueue.isPosted = false
    }
  }

  // MARK: Entering

  /// The loop's: every turn asks it whether it may go on.
  var clock: EventLoop.TurnClock { remote.clock }

  /// Enters the device on the I/O thread.
  func enter(_ body: (any VirtioInterrupt) throws(QueueFault) -> Void, inert: () -> Void) {
    lock.withLock { whileLocked(body, inert: inert) }
  }

  /// Does `body` if a driver is there and its memory may be reached. A fault of the guest's makes the
  /// device inert.
  func whileLocked(
    evenPaused: Bool = false, _ body: (any VirtioInterrupt) throws(QueueFault) -> Void,
    inert: () -> Void
  ) {
    guard let driver, holds.subtracting(evenPaused ? .paused : []).isEmpty else { return inert() }
    do throws(QueueFault) { try body(driver) } catch {
      tracer.note(.state, "needs reset: \(error)")
      isFailing = true
      driver.fail(error)
      isFailing = false
    }
  }
}
