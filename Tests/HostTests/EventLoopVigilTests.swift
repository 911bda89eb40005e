import Glibc
import Host
import TestSupport
import Testing

/// What a loop looks at before it sleeps.
@Suite struct EventLoopVigilTests {
  /// Finds something on cue, and notes what it is asked.
  private final class Recorder: Lookout {
    var isWatching = true
    var mayWatch = false
    var finds = 0
    var findsOnStandingDown = false
    var calls: [String] = []

    func look() -> Bool {
      if calls.last != "look" { calls.append("look") }
      guard finds > 0 else { return false }
      finds -= 1
      return true
    }

    func standDown() -> Bool {
      calls.append("stand down")
      isWatching = findsOnStandingDown
      defer { findsOnStandingDown = false }
      return findsOnStandingDown
    }
  }

  @Test func asksForEventsBeforeItSleeps() throws {
    let loop = try EventLoop()
    let lookout = Recorder()
    loop.add(lookout)
    #expect(loop.sleepsThroughATurn())
    #expect(lookout.calls == ["look", "stand down"])
    #expect(loop.sleepsThroughATurn())
    #expect(lookout.calls == ["look", "stand down"], "nothing is watched any more")
  }

  @Test func doesNotSleepWhenALookFindsSomething() throws {
    // The watch ends where other tests have taken the processor for long: then once more.
    let hasWatched = try (1...50).contains { _ in
      let loop = try EventLoop()
      let lookout = Recorder()
      lookout.finds = 2
      loop.add(lookout)
      loop.turn(timeoutMilliseconds: 1000)
      loop.turn(timeoutMilliseconds: 1000)
      return lookout.finds == 0 && lookout.calls == ["look"]
    }
    #expect(hasWatched)
  }

  @Test("What came while events were asked for is not slept over")
  func doesNotSleepWhenStandingDownFindsSomething() throws {
    let loop = try EventLoop()
    let lookout = Recorder()
    lookout.findsOnStandingDown = true
    loop.add(lookout)
    loop.turn(timeoutMilliseconds: -1)
    #expect(lookout.calls == ["look", "stand down"])
  }

  @Test("What is watched is looked at also while there is work without end")
  func looksBesideWork() throws {
    let loop = try EventLoop()
    let lookout = Recorder()
    lookout.finds = 3
    loop.add(lookout)
    func work() { loop.post { work() } }
    work()
    for _ in 0..<3 { loop.turn(timeoutMilliseconds: -1) }
    #expect(lookout.finds == 0)
    #expect(lookout.calls == ["look"], "nothing is given up meanwhile")
  }

  @Test("Events are handled also while every look finds something")
  func handlesEventsBetweenLooks() throws {
    let loop = try EventLoop()
    let lookout = Recorder()
    lookout.finds = .max
    loop.add(lookout)
    let pipe = Pipe()
    var isRead = false
    let token = try loop.register(pipe.reading.rawValue, interest: .readable) { _ in isRead = true }
    pipe.put()
    loop.turn(timeoutMilliseconds: -1)
    #expect(isRead)
    loop.remove(token)
  }

  @Test func asksNobodyAfterRemoval() throws {
    let loop = try EventLoop()
    let lookout = Recorder()
    loop.add(lookout)
    loop.remove(lookout)
    #expect(loop.sleepsThroughATurn())
    #expect(lookout.calls == [])
    #expect(!lookout.mayWatch)
  }

  @Test("Staying awake pays after a short sleep only")
  func learnsFromSleeps() throws {
    var vigil = EventLoop.Vigil()
    let lookout = Recorder()
    vigil.add(lookout)
    #expect(!lookout.mayWatch)
    vigil.slept(10_000, until: 1)
    #expect(lookout.mayWatch)
    vigil.slept(1_000_000, until: 2)
    #expect(!lookout.mayWatch)
  }

  @Test("Nor does it pay while others want the processor")
  func restsWhereTheProcessorIsWanted() throws {
    var vigil = EventLoop.Vigil()
    let lookout = Recorder()
    vigil.add(lookout)
    let goesOn = [(900_000, 10_000_000), (3_000_000, 20_000_000), (1000, 30_000_000)].map {
      (duration, now) in vigil.yielded(duration, until: now)
    }
    #expect(goesOn == [true, false, false])
    vigil.slept(10_000, until: 40_000_000)
    #expect(!lookout.mayWatch, "for a while")
    vigil.slept(10_000, until: 200_000_000)
    #expect(lookout.mayWatch)
    let goesOnThen = vigil.yielded(1000, until: 200_000_000)
    #expect(goesOnThen)
  }

  @Test("What the loop's own thread posts through the remote needs no wake-up")
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
