import Chardev
import Host
import Virtio

/// One port: its name and role, its backend, and its two lanes.
///
/// Everything is called with the device's lock held, passes and what touches the backend on the I/O
/// thread only.
///
/// `@unchecked Sendable`: guarded by the device's lock.
final class Port: @unchecked Sendable {
  let configuration: PortConfiguration
  private(set) var backend: any Chardev
  var state: PortState
  /// What went through it; what it is now is `report`.
  var statistics: PortStatistics
  private(set) lazy var transmit = TransmitPath(self)
  private(set) lazy var receive = ReceivePath(self)

  /// The control channel has it in its queue.
  var isWaitingToSend = false
  /// The driver's queues are the port's to use. A port that comes while the driver runs gets them
  /// only when the driver knows of it: what lies in them before was meant for an earlier port.
  private(set) var hasQueues = false
  /// The port came while the machine ran, and has not had queues yet.
  private var wasHotAdded: Bool

  /// What the guest is not told yet of clients that have gone and come.
  private(set) var handover: Handover
  /// The next look at it is on its way.
  var isHandoverScheduled = false
  private var isClientPresent = false
  /// A client has left while the guest's memory was left alone.
  private var isDiscardPending = false
  /// The guest has closed the port, and the client is to notice once it has everything.
  private var isGuestClosePending = false
  private unowned let device: ConsoleDevice

  init(
    number: UInt32, configuration: PortConfiguration, backend: any Chardev, device: ConsoleDevice,
    wasHotAdded: Bool
  ) {
    self.configuration = configuration
    self.backend = backend
    self.device = device
    self.wasHotAdded = wasHotAdded
    state = PortState(
      number: number, configuration: configuration, resizeOrder: device.resizeOrder)
    handover = Handover(configuration.policy)
    statistics = PortStatistics(
      number: Int(number), name: configuration.name.isEmpty ? nil : configuration.name)
    statistics.isConsole = configuration.isConsole
  }

  var number: UInt32 { state.number }
  var isConsole: Bool { state.isConsole }
  var policy: PortPolicy { configuration.policy }
  var lanes: [any Lane] { [transmit, receive] }

  /// What bytes may move to and from now; nil while the guest has yet to notice that a client has left.
  var client: (any Chardev)? { handover.isSettled ? backend : nil }

  /// The guest takes bytes: a generic port throws away what comes while it is closed, a console
  /// does not.
  var guestListens: Bool { state.isConsole || state.isGuestOpen }

  /// What the port is, which sides have it open, and what went through it.
  var report: PortStatistics {
    var report = statistics
    report.isOpenInGuest = state.isGuestOpen
    report.isOpenOnHost = state.isHostOpen
    report.receiveQueue = receive.slot.statistics
    report.transmitQueue = transmit.slot.statistics
    return report
  }

  /// Something of the port has changed.
  func note(_ change: @autoclosure () -> String) {
    device.tracer.note(.state, "port \(number): \(change())")
  }

  /// A console has printed something, which told of this fault of its kernel.
  func consolePrinted(_ fault: KernelFault) { device.onConsoleOutput?(fault) }

  /// Has the transmit queue looked at a moment later.
  func postLook() { device.postLook() }

  // MARK: The driver

  /// The driver is gone, and with it the queues; bytes in them that were not taken are counted.
  /// Touches no backend: vCPU threads come here.
  func reset(using batch: ChainBatch) {
    guestOpened(false)
    dropQueues(using: batch)
    state.reset()
  }

  /// The driver is there, with these queues for the port.
  func connectQueues(receive: Virtqueue?, transmit: Virtqueue?, using batch: ChainBatch) {
    hasQueues = true
    self.receive.slot.queue = receive
    self.transmit.replaceQueue(by: transmit, using: batch)
    guard wasHotAdded else { return }
    wasHotAdded = false
    self.receive.slot.excludePast()
    self.transmit.slot.excludePast()
  }

  private func dropQueues(using batch: ChainBatch) {
    hasQueues = false
    isDiscardPending = false
    transmit.replaceQueue(by: nil, using: batch)
    receive.slot.queue = nil
  }

  /// The guest is about to open the port: what has come until now came early.
  func prepareToOpen(_ clock: EventLoop.TurnClock) {
    if !state.isGuestOpen { backend.session?.guestWillOpen() }
    if policy.early == .drop, !guestListens, backend.isConnected { discardInput(clock) }
  }

  /// The guest has opened or closed the port. The next opening takes back a close that the client has
  /// not noticed yet.
  func guestOpened(_ open: Bool) {
    if state.isGuestOpen != open {
      // A client that the guest does not know of yet has no part in its close.
      isGuestClosePending =
        !open && !isConsole && policy.onGuestClose != .keep && handover.isSettled
      configuration.onGuestOpen?(open)
    }
    state.guestOpened(open)
    if !open, !handover.isSettled { endHandover() }
  }

  /// Ends the client's connection, or what it reads, where the guest has closed the port. The client has
  /// everything that the guest sent before.
  func passOnGuestClose(_ clock: EventLoop.TurnClock) {
    guard isGuestClosePending else { return }
    isGuestClosePending = false
    guard backend.isConnected else { return }
    switch policy.onGuestClose {
    case .keep: break
    case .shutdown: backend.session?.endOutput()
    case .close:
      discardInput(clock)
      backend.session?.disconnectClient()
    }
  }

  // MARK: Clients

  /// The backend says whether a client is there. The guest is to be told, unless a handover goes on
  /// or begins: then it is told when that has ended.
  func clientChanged(isPresent: Bool) {
    isClientPresent = isPresent
    guard handover.isSettled else { return }
    let now = MonotonicClock.now()
    let mayNotice = state.isReady && state.isGuestOpen && !isConsole
    guard !isPresent, state.isHostOpen, mayNotice else { return hostOpened(isPresent) }
    if handover.beginDraining(at: now) { return }
    hostOpened(false)
    handover.beginClosing(at: now)
  }

  /// The same while the guest's memory is left alone; what a client leaves unread is discarded later.
  func clientChanged(isPresent: Bool, withDriver hasDriver: Bool) {
    clientChanged(isPresent: isPresent)
    if !isPresent { isDiscardPending = hasDriver }
  }

  /// The guest has been given the message that the client has gone.
  func closeWasSent(message: UInt64) {
    handover.noteClose(message: message, at: MonotonicClock.now())
  }

  /// The guest has written to a client that has gone.
  func noteDiscardedWrite() {
    if handover.isDraining { handover.noteWrite(at: MonotonicClock.now()) }
  }

  /// Does what is due of the handover; returns whether the guest is to be told something.
  func advanceHandover(hasTakenClose: Bool) -> Bool {
    let now = MonotonicClock.now()
    switch handover.advance(at: now, hasTakenClose: hasTakenClose) {
    case .wait: return false
    case .close:
      hostOpened(false)
      isDiscardPending = true
      if !handover.beginClosing(at: now) { hostOpened(isClientPresent) }
    case .settle:
      handover.end()
      hostOpened(isClientPresent)
    }
    return true
  }

  /// The guest stood still until now: it gets its time to notice anew.
  func postponeHandover() { handover.postpone(at: MonotonicClock.now()) }

  /// The guest has closed the port, so that it cannot notice anything. What it has written to a
  /// client that has gone is not for the next one.
  private func endHandover() {
    if handover.isDraining { isDiscardPending = true }
    handover.end()
    hostOpened(false)
    hostOpened(isClientPresent)
  }

  private func hostOpened(_ open: Bool) {
    if open, !state.isHostOpen { statistics.connectionCount &+= 1 }
    state.hostOpened(open)
  }

  /// What the client has left unread goes back to the guest before it is told that the client has left,
  /// since Linux reclaims buffers at that message.
  func discardIfHostLeft(_ pass: Pass) throws(QueueFault) {
    if !state.isHostOpen { isDiscardPending = true }
    try discardIfPending(pass)
  }

  /// What the guest wrote to a client that had gone is returned before the next one may get it.
  func discardIfPending(_ pass: Pass) throws(QueueFault) {
    guard isDiscardPending else { return }
    isDiscardPending = false
    guard !isConsole, policy.onHostClose == .discard else { return }
    try transmit.discard(pass)
  }

  /// Reads and throws away, for one pass.
  func discardInput(_ clock: EventLoop.TurnClock) {
    statistics.bytesDiscarded &+= UInt64(
      backend.discardInput(limit: policy.turnBytes, clock: clock))
  }

  // MARK: The backend

  /// While no driver is there, or its memory is left alone, only the client's side moves.
  func runWithoutDriver(_ clock: EventLoop.TurnClock) {
    transmit.runWithoutDriver(clock)
    receive.runWithoutGuest(clock)
  }

  /// The port's life ends. What waits in the queue or in a console's backlog is lost.
  func end(using batch: ChainBatch, clock: EventLoop.TurnClock) {
    dropQueues(using: batch)
    transmit.end(clock)
    passOnGuestClose(clock)
    forgetBackend()
  }

  /// Another backend takes the place of the one before, and gets what that one has not taken.
  func exchangeBackend(for other: any Chardev) {
    forgetBackend()
    isGuestClosePending = false
    backend = other
  }

  private func forgetBackend() {
    backend.delegate = nil
    receive.forgetBackend()
    transmit.forgetBackend()
  }
}
