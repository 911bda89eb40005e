import CKVM
import Glibc

/// Waits for file descriptors, timers and posted work, and calls their handlers one at a time.
///
/// Level-triggered `epoll(7)`: a handler is called again while its condition lasts. Not `Sendable`:
/// a loop belongs to the thread that runs it, and `remote` is the only way in from elsewhere. An
/// idle loop sleeps: with no timer armed it never wakes by itself.
package final class EventLoop {
  /// The events a handler is called for, as bits of `epoll_ctl(2)`.
  ///
  /// An empty interest means no events at all: the descriptor leaves the epoll set, so that a
  /// condition without a consumer cannot spin the loop. Any other interest includes
  /// `Readiness.hangup` and `Readiness.error`, which epoll always reports.
  package struct Interest: OptionSet, Sendable {
    /// The bits.
    package let rawValue: UInt32
    /// The options with these bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Bytes to read, a connection to accept, or the peer's end of file.
    package static let readable = Interest(rawValue: EPOLLIN.rawValue)
    /// Room to write.
    package static let writable = Interest(rawValue: EPOLLOUT.rawValue)
    /// The peer has closed both directions; no other event.
    package static let hangup = Interest(rawValue: EPOLLHUP.rawValue)
    /// Also the peer's end of file, reported as `Readiness.hangup`: for connections where nothing else
    /// shows that the peer is gone.
    package static let endOfInput = Interest(rawValue: EPOLLRDHUP.rawValue)
  }

  /// What a descriptor is ready for, as bits of `epoll_wait(2)`.
  package struct Readiness: OptionSet, Sendable {
    /// The bits.
    package let rawValue: UInt32
    /// The options with these bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A read does not block. It may return 0: the peer writes no more.
    package static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    /// A write does not block.
    package static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    /// The peer is gone in both directions; what it sent may still be unread.
    package static let hangup = Readiness(rawValue: EPOLLHUP.rawValue)
    /// An error is pending, or the loop could not watch the descriptor any more.
    package static let error = Readiness(rawValue: EPOLLERR.rawValue)
  }

  /// Names one registration; unique for the life of the loop. An event already fetched from the kernel
  /// may carry the token of a removed one.
  package struct Token: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  private struct Registration {
    let descriptor: Int32
    var interest: Interest
    let handler: (Readiness) -> Void
  }

  /// The way in from other threads.
  package let remote: LoopHandle

  /// Tells handlers with more work whether there is time for it in this turn.
  package var clock: TurnClock { remote.clock }

  /// Marks the event of the loop's own wake-up descriptor; no token has it.
  private static let wakeNumber = UInt64.max
  /// The most events of one wait.
  private static let capacity = 64

  private let epoll: FileDescriptor
  private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: capacity)
  private var registrations: [Token: Registration] = [:]
  private var registrationCount: UInt64 = 0
  private let timers = TimerQueue()
  private var posted: [() -> Void] = []
  private var isStopping = false
  private var busyPolling = BusyPolling()
  /// Exists while a file is watched.
  private weak var openingWatcher: OpeningWatcher?
  private var unfinishedCount = 0

  /// A loop that the calling thread may use until another one runs it.
  package init() throws(SystemError) {
    remote = LoopHandle(wake: try EventFD(), timers: timers)
    epoll = FileDescriptor(
      owning: try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    try control(EPOLL_CTL_ADD, remote.wakeDescriptor, .readable, number: Self.wakeNumber)
  }

  deinit { events.deallocate() }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ interest: Interest, number: UInt64
  ) throws(SystemError) {
    var event = epoll_event()
    event.events = interest.rawValue
    event.data.u64 = number
    try systemCall("epoll_ctl") { epoll_ctl(epoll.rawValue, operation, descriptor, &event) }
  }

  /// Watches `descriptor`, which stays the caller's and must be open until `remove`.
  ///
  /// - Throws: `EPERM` for a regular file or directory, which epoll cannot watch (with an empty
  ///   interest, later: as `Readiness.error`); `EEXIST` for a descriptor registered already.
  package func register(
    _ descriptor: Int32, interest: Interest, handler: @escaping (Readiness) -> Void
  ) throws(SystemError) -> Token {
    let token = Token(number: registrationCount)
    if !interest.isEmpty { try control(EPOLL_CTL_ADD, descriptor, interest, number: token.number) }
    registrationCount += 1
    registrations[token] = Registration(
      descriptor: descriptor, interest: interest, handler: handler)
    return token
  }

  /// Changes the events that the handler of `token` is called for; a system call only for a change.
  package func setInterest(_ interest: Interest, for token: Token) {
    guard let registration = registrations[token], registration.interest != interest else { return }
    registrations[token]?.interest = interest
    if interest.isEmpty { return unwatch(registration.descriptor) }
    let operation = registration.interest.isEmpty ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
    do throws(SystemError) {
      try control(operation, registration.descriptor, interest, number: token.number)
    } catch {
      registrations[token]?.interest = []
      post { [weak self] in
        if let registration = self?.registrations[token] { registration.handler(.error) }
      }
    }
  }

  /// Forgets a registration. Its handler is not called again, even for an event that has arrived
  /// already. Call it before the descriptor is closed; calling it again does nothing.
  package func remove(_ token: Token) {
    guard let registration = registrations.removeValue(forKey: token) else { return }
    if !registration.interest.isEmpty { unwatch(registration.descriptor) }
  }

  /// Failure means that the descriptor was closed before, by mistake, and has left the set by itself.
  private func unwatch(_ descriptor: Int32) {
    try? control(EPOLL_CTL_DEL, descriptor, [], number: 0)
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
      // Polled rings raise no event, and must not wait for the end of all work.
      look()
      wait(timeoutMilliseconds: 0)
    } else if busyPolling.isEmpty || !pollBeforeSleep() {
      wait(timeoutMilliseconds: timeout)
    }
    clock.restart()
    if remote.hasOwnPosts, remote.runPosted() { stop() }
    clock.restart()
    timers.runExpired()
    let work = posted
    posted.removeAll(keepingCapacity: work.count < 64)
    for item in work { item() }
  }

  /// Whether there is something to do that raises no event.
  private var hasWork: Bool { !posted.isEmpty || remote.hasOwnPosts || isStopping }

  /// Handles the events of at most `timeout` milliseconds; returns whether there were any.
  @discardableResult
  private func wait(timeoutMilliseconds timeout: Int32) -> Bool {
    let start = timeout == 0 || busyPolling.isEmpty ? 0 : MonotonicClock.now()
    let count = epoll_wait(epoll.rawValue, events, Int32(Self.capacity), timeout)
    guard count > 0 else { return false }
    if start != 0 {
      let now = MonotonicClock.now()
      busyPolling.slept(now &- start, until: now)
    }
    clock.restart()
    for index in 0..<Int(count) { dispatch(events[index]) }
    return true
  }

  private func dispatch(_ event: epoll_event) {
    if event.data.u64 == Self.wakeNumber {
      if remote.runWoken() { stop() }
      return
    }
    guard let registration = registrations[Token(number: event.data.u64)],
      !registration.interest.isEmpty
    else { return }
    // The interest may have changed since the kernel reported the event.
    let wanted = registration.interest.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue
    var bits = event.events & wanted
    if bits & EPOLLRDHUP.rawValue != 0 { bits = bits & ~EPOLLRDHUP.rawValue | EPOLLHUP.rawValue }
    if bits != 0 { registration.handler(Readiness(rawValue: bits)) }
  }

  // MARK: Work to finish before the loop's owner leaves

  /// Marks work that is to finish although the loop's owner may want to leave before; `finish` is
  /// called once for each.
  package func begin() { unfinishedCount += 1 }

  /// The work has finished.
  package func finish() { unfinishedCount -= 1 }

  /// After `run`: runs turns until all work that has begun is finished, or the time is up.
  package func drain(limitMilliseconds limit: Int) {
    let deadline = MonotonicClock.now() &+ Int64(limit) &* 1_000_000
    while unfinishedCount > 0 {
      let left = deadline &- MonotonicClock.now()
      guard left > 0 else { return }
      turn(timeoutMilliseconds: Int(left / 1_000_000) + 1)
    }
  }

  // MARK: Busy polling

  /// Polls `pollable` before the loop sleeps, from now on.
  package func add(_ pollable: any Pollable) { busyPolling.add(pollable) }

  /// Polls it no more.
  package func remove(_ pollable: any Pollable) { busyPolling.remove(pollable) }

  /// Before sleeping: polls for a moment, and yields the processor between looks. If nothing is found,
  /// the pollables ask for events again. Returns whether there was work, so that the loop must not
  /// sleep.
  private func pollBeforeSleep() -> Bool {
    guard busyPolling.pollables.contains(where: { $0.isWatching }) else { return false }
    let end = MonotonicClock.now() &+ BusyPolling.watchNanoseconds
    var now: Int64
    repeat {
      let hasFound = look()
      // A peer that has just received something may answer within this moment.
      let start = MonotonicClock.now()
      sched_yield()
      now = MonotonicClock.now()
      guard busyPolling.yielded(now &- start, until: now) else { return stopPolling() || hasFound }
      let hasEvents = wait(timeoutMilliseconds: 0)
      if hasFound || hasEvents || hasWork { return true }
    } while now < end
    return stopPolling()
  }

  private func stopPolling() -> Bool {
    busyPolling.pollables.reduce(false) { $1.stopPolling() || $0 } || hasWork
  }

  /// Looks at everything that is polled; returns whether there was work.
  @discardableResult
  private func look() -> Bool {
    clock.restart()
    return busyPolling.pollables.reduce(false) { $1.look() || $0 }
  }

  // MARK: Openings of files

  /// Calls `handler` after any process has opened or closed the file at `path`, once for many; a call
  /// may come without reason. See inotify(7).
  ///
  /// A file is watched for one handler at a time. All files of a loop share one inotify instance, of
  /// which a user may have few; it is closed with the last watch.
  package func watchOpenings(
    of path: String, handler: @escaping () -> Void
  ) throws(SystemError) -> OpeningWatch {
    if let openingWatcher { return try openingWatcher.watch(path, handler: handler) }
    let watcher = try OpeningWatcher(on: self)
    openingWatcher = watcher
    return try watcher.watch(path, handler: handler)
  }
}
