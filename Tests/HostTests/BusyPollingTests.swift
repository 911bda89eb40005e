import Glibc
import Host
import TestSupport
import Testing

/// What a loop polls before it sleeps.
@Suite struct EventLoopBusyPollingTests {
  /// Finds work when told to, and records its calls.
  private final class Recorder: Pollable {
    var isWatching = true
    var ringWatch = RingWatch.everyEntry
    var finds = 0
    var findsOnStandingDown = false
    var calls: [String] = []

    func look() -> Bool {
      if calls.last != "look" { calls.append("look") }
      guard finds > 0 else { return false }
      finds -= 1
      return true
    }

    func stopPolling() -> Bool {
      calls.append("stand down")
      isWatching = findsOnStandingDown
      defer { findsOnStandingDown = false }
      return findsOnStandingDown
    }
  }

  @Test func asksForEventsBeforeItSleeps() throws {
    let loop = try EventLoop()
    let pollable = Recorder()
    loop.add(pollable)
    #expect(loop.sleepsThroughATurn())
    #expect(pollable.calls == ["look", "stand down"])
    #expect(loop.sleepsThroughATurn())
    #expect(pollable.calls == ["look", "stand down"], "nothing is watched any more")
  }

  @Test func doesNotSleepWhenALookFindsSomething() throws {
    // The watch ends where other tests have taken the processor for long: then once more.
    let hasWatched = try (1...50).contains { _ in
      let loop = try EventLoop()
      let pollable = Recorder()
      pollable.finds = 2
      loop.add(pollable)
      loop.turn(timeoutMilliseconds: 1000)
      loop.turn(timeoutMilliseconds: 1000)
      return pollable.finds == 0 && pollable.calls == ["look"]
    }
    #expect(hasWatched)
  }

  @Test("Work that arrives while events are requested keeps the loop awake")
  func doesNotSleepWhenStandingDownFindsSomething() throws {
    let loop = try EventLoop()
    let pollable = Recorder()
    pollable.findsOnStandingDown = true
    loop.add(pollable)
    loop.turn(timeoutMilliseconds: -1)
    #expect(pollable.calls == ["look", "stand down"])
  }

  @Test("Pollables are looked at also while work never ends")
  func looksBesideWork() throws {
    let loop = try EventLoop()
    let pollable = Recorder()
    pollable.finds = 3
    loop.add(pollable)
    func work() { loop.post { work() } }
    work()
    for _ in 0..<3 { loop.turn(timeoutMilliseconds: -1) }
    #expect(pollable.finds == 0)
    #expect(pollable.calls == ["look"], "nothing is given up before that")
  }

  @Test("Events are handled also while every look finds something")
  func handlesEventsBetweenLooks() throws {
    let loop = try EventLoop()
    let pollable = Recorder()
    pollable.finds = .max
    loop.add(pollable)
    let pipe = Pipe()
    var isRead = false
    let token = try loop.register(pipe.reading.rawValue, interest: .readable) { _ in isRead = true }
    pipe.put()
    // A yield that takes long on a busy host ends polling; then the next turn handles the event.
    for _ in 0..<2 where !isRead { loop.turn(timeoutMilliseconds: -1) }
    #expect(isRead)
    loop.remove(token)
  }

  @Test func asksNoneAfterRemoval() throws {
    let loop = try EventLoop()
    let pollable = Recorder()
    loop.add(pollable)
    loop.remove(pollable)
    #expect(loop.sleepsThroughATurn())
    #expect(pollable.calls == [])
    #expect(pollable.ringWatch != .polling)
  }

  @Test("Staying awake pays after a short sleep only")
  func learnsFromSleeps() throws {
    var busyPolling = EventLoop.BusyPolling(processorCount: 2)
    let pollable = Recorder()
    busyPolling.add(pollable)
    #expect(pollable.ringWatch == .everyEntry)
    busyPolling.slept(10_000, until: 1)
    #expect(pollable.ringWatch == .polling)
    busyPolling.slept(1_000_000, until: 2)
    #expect(pollable.ringWatch != .polling)
  }

  @Test("Staying awake does not pay while other threads want the processor")
  func restsWhereTheProcessorIsWanted() throws {
    var busyPolling = EventLoop.BusyPolling(processorCount: 2)
    let pollable = Recorder()
    busyPolling.add(pollable)
    let goesOn = [(900_000, 10_000_000), (3_000_000, 20_000_000), (1000, 30_000_000)].map {
      (duration, now) in busyPolling.yielded(duration, until: now)
    }
    #expect(goesOn == [true, false, false])
    busyPolling.slept(10_000, until: 40_000_000)
    #expect(pollable.ringWatch == .severalEntries, "for a while")
    busyPolling.slept(10_000, until: 200_000_000)
    #expect(pollable.ringWatch == .polling)
    let goesOnThen = busyPolling.yielded(1000, until: 200_000_000)
    #expect(goesOnThen)
  }

  @Test(
    "With one processor for loop and guest, nothing is polled, and events may tell of several entries"
  )
  func sharesOneProcessor() throws {
    var busyPolling = EventLoop.BusyPolling(processorCount: 1)
    let pollable = Recorder()
    busyPolling.add(pollable)
    #expect(pollable.ringWatch == .severalEntries)
    busyPolling.slept(10_000, until: 1)
    #expect(pollable.ringWatch == .severalEntries)
    let goesOn = busyPolling.yielded(1000, until: 2)
    #expect(!goesOn)
  }

  @Test("Posts of the loop's own thread need no wake-up")
  func runsItsOwnPosts() throws {
    let loop = try EventLoop()
    let remote = loop.remote
    let start = milliseconds()
    loop.post {
      remote.post { remote.stop() }
    }
    loop.after(milliseconds: 10_000) { loop.stop() }
    loop.run()
    #expect(milliseconds() - start < 10_000)
  }
}
