import CKVM
import Glibc

/// Waits for file descriptors, timers and posted work, and calls their handlers one at a time.
///
/// Level-triggered `epoll(7)`: a handler is called again while its condition lasts. Not `Sendable`:
/// a loop belongs to the thread that runs it, and `remote` is the only way in from elsewhere. An
/// idle loop sleeps: with no timer armed it never wakes by itself.
package final class EventLoop {
  /// What a handler wants to hear of.
  ///
  /// An empty interest means no events at all: the descriptor leaves the epoll set, so that a
  /// condition that nobody acts on cannot spin the loop. Any other interest includes
  /// `Readiness.hangup` and `Readiness.error`, which epoll always reports.
  package struct Interest: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Bytes to read, a connection to accept, or the peer's end of file.
    package static let readable = Interest(rawValue: 1 << 0)
    /// Room to write.
    package static let writable = Interest(rawValue: 1 << 1)
    /// Only that the peer is fully gone.
    package static let hangup = Interest(rawValue: 1 << 2)
    /// Besides, that the peer writes no more, told as `Readiness.hangup`: for connections where
    /// nothing else says that the peer is gone.
    package static let endOfInput = Interest(rawValue: 1 << 3)
  }

  /// What a descriptor is ready for.
  package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A read does not block. It may return 0: the peer writes no more (`EPOLLIN`, `EPOLLRDHUP`).
    package static let readable = Readiness(rawValue: 1 << 0)
    /// A write does not block (`EPOLLOUT`).
    package static let writable = Readiness(rawValue: 1 << 1)
    /// The peer is gone in both directions (`EPOLLHUP`); what it sent may still be unread.
    package static let hangup = Readiness(rawValue: 1 << 2)
    /// An error is pending (`EPOLLERR`), or the loop could not watch the descriptor any more.
    package static let error = Readiness(rawValue: 1 << 3)
  }

  /// Names one registration, and no other for the life of the loop.
  package struct Token: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
  }

  /// The way in from other threads.
  package let remote: LoopHandle

  /// Tells those who have more to do whether they may go on in this turn.
  package var clock: TurnClock { remote.clock }

  let poller: Poller
  private var registrations = RegistrationTable()
  private let timers = TimerQueue()
  private var posted: [() -> Void] = []
  private var isStopping = false
  var busyPolling = BusyPolling()
  /// There while a file is watched.
  weak var openingWatcher: OpeningWatcher?
  /// What has to come to its end before the loop's owner leaves.
  var unfinishedCount = 0

  package init() throws(SystemError) {
    remote = LoopHandle(wake: try EventFD(), timers: timers)
    poller = try Poller()
    try poller.add(remote.wakeDescriptor, interest: .readable, data: Poller.wakeData)
  }

  /// Watches `descriptor`, which stays the caller's and must be open until `remove`.
  ///
  /// - Throws: `EPERM` for a regular file or directory, which epoll cannot watch (with an empty
  ///   interest, later: as `Readiness.error`); `EEXIST` for a descriptor registered already.
  package func register(
    _ descriptor: Int32, interest: Interest, handler: @escaping (Readiness) -> Void
  ) throws(SystemError) -> Token {
    let token = registrations.insert(descriptor, interest: interest, handler: handler)
    if interest.isEmpty { return token }
    do {
      try poller.add(descriptor, interest: interest, data: token.packed)
    } catch {
      registrations.remove(token)
      throw error
    }
    return token
  }

  /// Changes what the handler of `token` hears of; costs a system call only where it differs.
  package func setInterest(_ interest: Interest, for token: Token) {
    guard let registration = registrations[token], registration.interest != interest else { return }
    registrations.setInterest(interest, for: token)
    let descriptor = registration.descriptor
    do {
      if interest.isEmpty {
        poller.remove(descriptor)
      } else if registration.interest.isEmpty {
        try poller.add(descriptor, interest: interest, data: token.packed)
      } else {
        try poller.modify(descriptor, interest: interest, data: token.packed)
      }
    } catch {
      registrations.setInterest([], for: token)
      post { [weak self] in
        if let registration = self?.registrations[token] { registration.handler(.error) }
      }
    }
  }

  /// Forgets a registration. Its handler is not called again, even for an event that has arrived
  /// already. Call it before the descriptor is closed; calling it again does nothing.
  package func remove(_ token: Token) {
    guard let registration = registrations.remove(token) else { return }
    if !registration.interest.isEmpty { poller.remove(registration.descriptor) }
  }

  /// Runs `work` on a later turn of this loop, after everything posted before it.
  package func post(_ work: @escaping () -> Void) {
    posted.append(work)
  }

  /// Runs `work` once, `milliseconds` from now or a little later, unless cancelled.
  @discardableResult
  package func after(milliseconds: Int, _ work: @escaping () -> Void) -> Timer {
    timers.schedule(milliseconds: milliseconds, work)
  }

  /// Runs turns until `stop`; returns at once if that has been called already.
  package func run() {
    remote.claim()
    while !isStopping {
      turn(timeoutMilliseconds: -1)
    }
    isStopping = false
  }

  /// Ends `run` after the current turn.
  package func stop() {
    isStopping = true
  }

  /// One turn: waits for events, at most `timeoutMilliseconds` (for ever if negative), and handles
  /// them, then expired timers, then work posted before this point of the turn. `clock` gives each of
  /// these its time.
  package func turn(timeoutMilliseconds: Int) {
    let timeout = hasWork ? 0 : timers.timeout(limit: timeoutMilliseconds)
    if timeout == 0 {
      // What is watched tells of nothing by an event, and must not wait for the end of all work.
      look()
      wait(timeoutMilliseconds: 0)
    } else if busyPolling.isEmpty || !keepWatch() {
      wait(timeoutMilliseconds: timeout)
    }
    clock.restart()
    if remote.hasOwnPosts, remote.deliverArrived() { stop() }
    clock.restart()
    timers.runExpired()
    let work = posted
    posted.removeAll(keepingCapacity: work.count < 64)
    for item in work { item() }
  }

  /// Whether there is something to do that no event will tell of.
  var hasWork: Bool { !posted.isEmpty || remote.hasOwnPosts || isStopping }

  /// Handles what has happened; returns whether anything had. Sleeps for as long as told.
  @discardableResult
  func wait(timeoutMilliseconds timeout: Int32) -> Bool {
    let start = timeout == 0 || busyPolling.isEmpty ? 0 : MonotonicClock.now()
    var hasEvents = false
    poller.wait(timeoutMilliseconds: timeout) { event in
      if !hasEvents, start != 0 {
        let now = MonotonicClock.now()
        busyPolling.slept(now &- start, until: now)
      }
      if !hasEvents { clock.restart() }
      hasEvents = true
      dispatch(event)
    }
    return hasEvents
  }

  private func dispatch(_ event: epoll_event) {
    if event.data.u64 == Poller.wakeData {
      if remote.deliverWoken() { stop() }
      return
    }
    guard let registration = registrations[Token(packed: event.data.u64)] else { return }
    let readiness = Poller.readiness(event.events, interest: registration.interest)
    if !readiness.isEmpty { registration.handler(readiness) }
  }
}
