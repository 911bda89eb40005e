import Chardev
import Host
import Virtio

/// One port: its name and role, its host end, its two queues.
///
/// Everything but the chardev's events is called with the device's lock held; turns are taken on
/// the I/O thread only. A turn moves a bounded number of bytes in a bounded time, so that no port
/// keeps the others waiting.
///
/// `@unchecked Sendable`: guarded by the device's lock.
final class Port: @unchecked Sendable {
  /// Bytes passed on at the end of the port or of the machine: what a Linux guest's full queue holds.
  static let farewellBytes = 4 << 20

  /// The directions in which a port may have more to do.
  struct Turns: OptionSet {
    let rawValue: UInt8
    static let transmit = Turns(rawValue: 1)
    static let receive = Turns(rawValue: 2)
  }

  let configuration: PortConfiguration
  private(set) var chardev: any Chardev
  var state: PortState
  var isWaitingToSend = false
  /// The turns the port waits for in the device's run queue.
  var pendingTurns: Turns = []
  /// The directions whose empty queues the device watches.
  var watchedTurns: Turns = []
  /// The port is among those the device looks at.
  var isWatched = false
  /// The driver's queues are the port's to use. A port that comes while the driver runs gets them
  /// only when the driver knows of it: what lies in them before was meant for an earlier port.
  var hasQueues = false
  private(set) var receiveSlot = QueueSlot()
  private(set) var transmitSlot = QueueSlot()
  /// The port came while the machine ran, and has not had queues yet.
  var wasHotAdded = false
  private(set) var statistics: PortStatistics
  /// The host end takes no more, and the guest's bytes wait in the queue.
  private(set) var isThrottled = false

  /// What the guest is not told yet of clients that have gone and come.
  var handover: Handover
  /// The next look at it is on its way.
  var isHandoverScheduled = false
  private var isClientPresent = false

  private var transmitPath: TransmitPath
  private let receivePath = ReceivePath()
  /// A client has left while the guest's memory was left alone.
  var owesDiscard = false
  /// The guest has closed the port, and the client is to notice once it has everything.
  private var owesGuestClose = false
  /// Whose port it is; set once, by the device.
  weak var device: ConsoleDevice?

  init(
    number: UInt32, configuration: PortConfiguration, chardev: any Chardev,
    resizeOrder: ResizeOrder
  ) {
    self.configuration = configuration
    self.chardev = chardev
    state = PortState(number: number, configuration: configuration, resizeOrder: resizeOrder)
    handover = Handover(configuration.policy)
    statistics = PortStatistics(
      number: Int(number), name: configuration.name.isEmpty ? nil : configuration.name)
    statistics.isConsole = configuration.isConsole
    transmitPath = TransmitPath(isConsole: configuration.isConsole, policy: configuration.policy)
  }

  var number: UInt32 { state.number }

  /// What the port is, which sides have it open, and what went through it.
  var report: PortStatistics {
    var report = statistics
    report.isOpenInGuest = state.isGuestOpen
    report.isOpenOnHost = state.isHostOpen
    report.isThrottled = isThrottled
    report.hasLostOutput = transmitPath.hasLostOutput
    report.receiveQueue = receiveSlot.statistics
    report.transmitQueue = transmitSlot.statistics
    return report
  }

  var receiveQueue: Virtqueue? { receiveSlot.queue }
  var transmitQueue: Virtqueue? { transmitSlot.queue }

  private var policy: PortPolicy { configuration.policy }

  // MARK: What the two sides do

  /// The driver is gone, and with it the queues; bytes in them that nobody has taken are counted.
  /// Touches no chardev: vCPU threads come here.
  func reset(using list: ChainBatch) {
    guestOpened(false)
    dropQueues(using: list)
    state.reset()
  }

  /// The driver is there, with these queues for the port.
  func connectQueues(receive: Virtqueue?, transmit: Virtqueue?, using list: ChainBatch) {
    hasQueues = true
    replaceReceiveQueue(by: receive)
    replaceTransmitQueue(by: transmit, using: list)
    guard wasHotAdded else { return }
    wasHotAdded = false
    receiveSlot.disownStatistics()
    transmitSlot.disownStatistics()
  }

  /// The driver has taken the transmit queue away, or set up another. Bytes in the old one that
  /// nobody has taken are counted, and the half-written chain is forgotten with it.
  func replaceTransmitQueue(by queue: Virtqueue?, using list: ChainBatch) {
    if let transmitQueue {
      countLost(transmitPath.countUntaken(in: transmitQueue, using: list))
    }
    transmitPath.reset()
    transmitSlot.queue = queue
    isThrottled = false
  }

  /// The same for the receive queue, in which nothing is ever half done.
  func replaceReceiveQueue(by queue: Virtqueue?) { receiveSlot.queue = queue }

  private func dropQueues(using list: ChainBatch) {
    hasQueues = false
    owesDiscard = false
    watchedTurns = []
    replaceTransmitQueue(by: nil, using: list)
    replaceReceiveQueue(by: nil)
  }

  /// The guest is about to open the port: what has come until now came early.
  func prepareToOpen(_ clock: EventLoop.TurnClock) {
    if !state.isGuestOpen { chardev.session?.guestWillOpen() }
    if policy.early == .drop, !guestListens, chardev.isConnected { discardInput(clock) }
  }

  /// The guest has opened or closed the port; a close that the client has not noticed yet is taken
  /// back by the next opening.
  func guestOpened(_ open: Bool) {
    if state.isGuestOpen != open, !state.isConsole {
      // A client that the guest does not know of yet has no part in its close.
      owesGuestClose = !open && policy.onGuestClose != .keep && handover.isSettled
    }
    if state.isGuestOpen != open { device?.onGuestOpen?(configuration, open) }
    state.guestOpened(open)
    if !open, !handover.isSettled { endHandover() }
  }

  /// The chardev says whether a client is there. The guest is to be told, unless a handover goes on
  /// or begins: then it is told when that has ended.
  func clientChanged(isPresent: Bool) {
    isClientPresent = isPresent
    guard handover.isSettled else { return }
    let now = MonotonicClock.now()
    let mayNotice = state.isReady && state.isGuestOpen && !state.isConsole
    guard !isPresent, state.isHostOpen, mayNotice else { return hostOpened(isPresent) }
    if handover.beginDraining(at: now) { return }
    hostOpened(false)
    handover.beginClosing(at: now)
  }

  /// The guest has been given the message that the client has gone.
  func closeWasSent(message: UInt64) {
    handover.noteClose(message: message, at: MonotonicClock.now())
  }

  /// Does what is due of the handover; returns whether the guest is to be told something.
  func advanceHandover(hasTakenClose: Bool) -> Bool {
    let now = MonotonicClock.now()
    switch handover.advance(at: now, hasTakenClose: hasTakenClose) {
    case .wait: return false
    case .close:
      hostOpened(false)
      owesDiscard = true
      if !handover.beginClosing(at: now) { hostOpened(isClientPresent) }
    case .settle:
      handover.end()
      hostOpened(isClientPresent)
    }
    return true
  }

  /// The guest has closed the port, so that it cannot notice anything. What it has written to a
  /// client that has gone is not for the next one.
  private func endHandover() {
    if handover.isDraining { owesDiscard = true }
    handover.end()
    hostOpened(false)
    hostOpened(isClientPresent)
  }

  private func hostOpened(_ open: Bool) {
    if open, !state.isHostOpen { statistics.connectionCount &+= 1 }
    state.hostOpened(open)
  }

  /// What the client has left unread goes back to the guest before it hears that the client has
  /// left, since Linux reclaims buffers at that message.
  func discardIfHostLeft(
    using list: ChainBatch, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    let hasLeft = !state.isHostOpen || owesDiscard
    owesDiscard = false
    guard hasLeft, !state.isConsole, policy.onHostClose == .discard else { return }
    try discardQueued(using: list, driver: driver)
  }

  // MARK: Turns

  /// The guest takes bytes: a generic port throws away what comes while it is closed, a console
  /// does not.
  private var guestListens: Bool { state.isConsole || state.isGuestOpen }

  /// Host to guest, as much as one turn allows; a queue that runs empty may be watched.
  func takeReceiveTurn(
    mayWatch: Bool, using list: ChainBatch, clock: EventLoop.TurnClock,
    driver: any VirtioInterrupt
  ) throws(QueueFault) -> TurnEnd {
    guard guestListens, handover.isSettled, chardev.isConnected, let queue = receiveQueue else {
      takeIdleReceiveTurn(clock)
      return .rest
    }
    let outcome = try receivePath.run(
      queue, from: chardev, using: list, budget: policy.turnBytes, clock: clock,
      watched: mayWatch, statistics: &statistics, driver: driver)
    switch outcome {
    case .drained, .more: chardev.setInterest(.readable, true)
    // Buffers may come any moment; only if bytes come before them the host end has to wait.
    case .starved: chardev.setInterest(.readable, mayWatch && !watchedTurns.contains(.receive))
    case .disconnected: chardev.setInterest(.readable, false)
    }
    if outcome == .starved, mayWatch { return .watch }
    return outcome == .more ? .more : .rest
  }

  /// The same while the guest does not listen: bytes wait in the host end, or are thrown away.
  private func takeIdleReceiveTurn(_ clock: EventLoop.TurnClock) {
    let drops = policy.early == .drop && !guestListens
    if drops, chardev.isConnected { discardInput(clock) }
    chardev.setInterest(.readable, drops)
  }

  /// Guest to host, as much as one turn allows; a queue that runs empty may be watched.
  func takeTransmitTurn(
    mayWatch: Bool, using list: ChainBatch, clock: EventLoop.TurnClock,
    driver: any VirtioInterrupt
  ) throws(QueueFault) -> TurnEnd {
    let outcome = try transmit(
      budget: policy.turnBytes, watched: mayWatch, using: list, clock: clock, driver: driver)
    if outcome == .idle, mayWatch, transmitQueue != nil { return .watch }
    return outcome == .more ? .more : .rest
  }

  /// While no driver is there, or its memory is left alone: only the client's side moves.
  func takeTurnWithoutDriver(_ clock: EventLoop.TurnClock) {
    let isBehind = transmitPath.flushBacklog(to: chardev, clock: clock, statistics: &statistics)
    chardev.setInterest(.writable, isBehind)
    if owesGuestClose, transmitQueue == nil { passOnGuestClose(clock) }
    takeIdleReceiveTurn(clock)
  }

  /// The last turn in the guest's life, and a long one; returns whether something is left that a
  /// connected client may still take.
  func flush(
    using list: ChainBatch, clock: EventLoop.TurnClock, driver: any VirtioInterrupt
  ) throws(QueueFault) -> Bool {
    let outcome = try transmit(
      budget: Self.farewellBytes, watched: false, using: list, clock: clock, driver: driver)
    return outcome == .more || hasUnsentBytes
  }

  /// Passes on what a console has said, without a driver.
  func flushBacklog(_ clock: EventLoop.TurnClock) {
    _ = transmitPath.flushBacklog(to: chardev, clock: clock, statistics: &statistics)
  }

  /// Whether the guest has handed over bytes that a connected client may still take.
  var hasUnsentBytes: Bool {
    isThrottled || pendingTurns.contains(.transmit) || chardev.outputStatus.hasUnsentBytes
      || transmitPath.backlogByteCount > 0 && chardev.isConnected
  }

  /// The port is being removed: passes on what the client takes, gives back the rest.
  func farewell(
    using list: ChainBatch, clock: EventLoop.TurnClock, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    guard transmitQueue != nil else { return }
    _ = try transmit(
      budget: Self.farewellBytes, watched: false, using: list, clock: clock, driver: driver)
    try discardQueued(using: list, driver: driver)
  }

  /// The port's life ends, and its chardev is let go; what waits in the queue or in a console's
  /// backlog reaches nobody any more.
  func end(using list: ChainBatch, clock: EventLoop.TurnClock) {
    dropQueues(using: list)
    flushBacklog(clock)
    statistics.bytesDropped &+= UInt64(transmitPath.dropBacklog(hasReader: chardev.isConnected))
    if owesGuestClose { passOnGuestClose(clock) }
    letGoOfChardev()
    device = nil
  }

  /// Another chardev takes the place of the one before, and gets what that one has not taken.
  func exchangeChardev(for chardev: any Chardev) {
    letGoOfChardev()
    owesGuestClose = false
    self.chardev = chardev
  }

  private func letGoOfChardev() {
    chardev.delegate = nil
    chardev.setInterest(.readable, false)
    chardev.setInterest(.writable, false)
  }

  private func transmit(
    budget: Int, watched: Bool, using list: ChainBatch, clock: EventLoop.TurnClock,
    driver: any VirtioInterrupt
  ) throws(QueueFault) -> TransmitPath.Outcome {
    guard let queue = transmitQueue else {
      chardev.setInterest(
        .writable, transmitPath.flushBacklog(to: chardev, clock: clock, statistics: &statistics))
      if owesGuestClose { passOnGuestClose(clock) }
      return .idle
    }
    let discarded = statistics.bytesDiscarded
    let outcome = try transmitPath.run(
      queue, to: handover.isSettled ? chardev : nil, using: list, budget: budget, clock: clock,
      watched: watched, statistics: &statistics, driver: driver)
    if handover.isDraining, statistics.bytesDiscarded != discarded {
      handover.noteWrite(at: MonotonicClock.now())
    }
    chardev.setInterest(.writable, outcome == .blocked || transmitPath.backlogByteCount > 0)
    if let fault = transmitPath.takeKernelFault() { device?.onConsoleOutput?(fault) }
    setThrottled(outcome == .blocked)
    if owesGuestClose, outcome == .idle || outcome == .disconnected { passOnGuestClose(clock) }
    return outcome
  }

  private func setThrottled(_ throttled: Bool) {
    guard throttled != isThrottled else { return }
    isThrottled = throttled
    if throttled { statistics.throttleCount &+= 1 }
    device?.tracer.note(
      .state, "port \(number): \(throttled ? "throttled" : "no longer throttled")")
  }

  // MARK: What is lost, and counted

  private func discardQueued(
    using list: ChainBatch, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    guard let transmitQueue else { return }
    countLost(try transmitPath.discard(transmitQueue, using: list, driver: driver))
    setThrottled(false)
  }

  private func countLost(_ count: Int) {
    if state.isConsole {
      statistics.bytesDropped &+= UInt64(count)
    } else {
      statistics.bytesDiscarded &+= UInt64(count)
    }
  }

  /// The client has everything the guest sent before it closed the port.
  private func passOnGuestClose(_ clock: EventLoop.TurnClock) {
    owesGuestClose = false
    guard chardev.isConnected else { return }
    switch policy.onGuestClose {
    case .keep: break
    case .shutdown: chardev.session?.endOutput()
    case .close:
      discardInput(clock)
      chardev.session?.disconnectClient()
    }
  }

  /// Reads and throws away, for one turn.
  private func discardInput(_ clock: EventLoop.TurnClock) {
    statistics.bytesDiscarded &+= UInt64(
      chardev.discardInput(limit: policy.turnBytes, clock: clock))
  }
}
