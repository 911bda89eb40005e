import CKVM
import Glibc
import Host
import Synchronization
import TestSupport
import Testing

/// Posted work, timers, and the way in from other threads.
@Suite struct EventLoopWorkTests {
  @Test func runsPostedWorkInOrderOnALaterTurn() throws {
    let loop = try EventLoop()
    var order: [Int] = []
    loop.post {
      order.append(1)
      loop.post { order.append(3) }
    }
    loop.post { order.append(2) }
    #expect(order.isEmpty)
    loop.turn(timeoutMilliseconds: -1)
    #expect(order == [1, 2])
    loop.turn(timeoutMilliseconds: -1)
    #expect(order == [1, 2, 3])
  }

  @Test func runsTimersByDeadlineThenInOrderOfScheduling() throws {
    let loop = try EventLoop()
    var order: [Int] = []
    loop.after(milliseconds: 30) { order.append(4) }
    loop.after(milliseconds: 10) { order.append(2) }
    loop.after(milliseconds: 0) { order.append(1) }
    loop.after(milliseconds: 10) { order.append(3) }
    let start = milliseconds()
    #expect(loop.turn { order.count == 4 })
    #expect(order == [1, 2, 3, 4])
    #expect(milliseconds() - start >= 29)
  }

  @Test func aTimerWakesASleepingLoop() throws {
    let loop = try EventLoop()
    let start = milliseconds()
    loop.after(milliseconds: 20) { loop.stop() }
    loop.run()
    let elapsed = milliseconds() - start
    #expect(elapsed >= 19)
    #expect(elapsed < 5000)
  }

  @Test func aCancelledTimerNeitherRunsNorWakes() throws {
    let loop = try EventLoop()
    var calls = 0
    let timer = loop.after(milliseconds: 5) { calls += 1 }
    #expect(timer.isPending)
    timer.cancel()
    #expect(!timer.isPending)
    #expect(loop.sleepsThroughATurn())
    #expect(calls == 0)
  }

  @Test func aTimerMayCancelAnotherThatIsDue() throws {
    let loop = try EventLoop()
    var calls = 0
    var second: EventLoop.Timer?
    loop.after(milliseconds: 0) {
      second?.cancel()
      loop.after(milliseconds: 0) { calls += 10 }
    }
    second = loop.after(milliseconds: 0) { calls += 1 }
    #expect(loop.turn { calls > 0 })
    #expect(calls == 10)
  }

  @Test func doesNotOverflowOnAnAbsurdDelay() throws {
    let loop = try EventLoop()
    let timer = loop.after(milliseconds: .max) {}
    loop.after(milliseconds: .min) { loop.stop() }
    loop.run()
    #expect(timer.isPending)
  }

  @Test func returnsFromRunAtOnceWhenStoppedBefore() throws {
    let loop = try EventLoop()
    var isLate = false
    loop.after(milliseconds: 60_000) { isLate = true }
    let start = monotonicSeconds()
    loop.stop()
    loop.run()
    loop.remote.stop()
    loop.run()
    #expect(monotonicSeconds() - start < 30)
    #expect(!isLate)
  }

  private final class Record: Sendable {
    let numbers = Mutex<[Int]>([])
    let switches = Mutex<[Int]>([])
  }

  @Test func runsWorkFromOtherThreadsInOrderOnItsOwn() throws {
    let record = Record()
    let running = try RunningLoop()
    for number in 0..<10_000 {
      running.remote.post { record.numbers.withLock { $0.append(number) } }
    }
    running.stopAndJoin()
    #expect(record.numbers.withLock { $0 } == Array(0..<10_000))
  }

  @Test(
    "Work from elsewhere that takes too long is left for later turns, in its order, before the end")
  func leavesWorkForWhichThereIsNoTime() throws {
    let loop = try EventLoop()
    loop.clock.limit = 0
    let record = Record()
    for number in 0..<10 { loop.remote.post { record.numbers.withLock { $0.append(number) } } }
    loop.remote.stop()
    loop.turn(timeoutMilliseconds: 0)
    #expect((1...8).contains(record.numbers.withLock { $0.count }))
    loop.remote.post { record.numbers.withLock { $0.append(10) } }
    loop.run()
    #expect(record.numbers.withLock { $0 } == Array(0...10))
  }

  @Test("A turn's clock gives each piece of work one call, and more while time is left")
  func measuresATurn() throws {
    let clock = EventLoop.TurnClock()
    clock.limit = 50_000_000
    #expect(clock.hasTime())
    #expect(clock.hasTime())
    usleep(60_000)
    #expect(!clock.hasTime())
    clock.restart()
    #expect(clock.hasTime())
    clock.restart(nanoseconds: 0)
    #expect(!clock.hasTime())
  }

  @Test func losesNoWakeUpBetweenManyThreads() throws {
    let record = Record()
    let running = try RunningLoop()
    let remote = running.remote
    var threads: [JoinableThread] = []
    for _ in 0..<4 {
      threads.append(
        try JoinableThread {
          for number in 0..<5_000 {
            remote.post { record.numbers.withLock { $0.append(number) } }
          }
        })
    }
    for thread in threads { thread.join() }
    running.stopAndJoin()
    #expect(record.numbers.withLock { $0.count } == 20_000)
  }

  @Test func sleepsWithoutWakingWhileThereIsNothingToDo() throws {
    let record = Record()
    let running = try RunningLoop()
    let note: @Sendable () -> Void = {
      record.switches.withLock { $0.append(voluntarySwitches()) }
    }
    running.remote.post { note() }
    // A time with nothing in it is the very thing to observe.
    usleep(300_000)
    running.remote.post { note() }
    running.stopAndJoin()
    let switches = record.switches.withLock { $0 }
    // Falling asleep is one; the lock of the test's own record may be another.
    #expect(switches.count == 2 && switches[1] - switches[0] <= 2)
  }
}

/// A loop on a thread of its own.
private final class RunningLoop {
  let remote: LoopHandle
  private let thread: JoinableThread

  init() throws {
    let loop = try EventLoop()
    remote = loop.remote
    nonisolated(unsafe) let moved = loop
    thread = try JoinableThread { moved.run() }
  }

  func stopAndJoin() {
    remote.stop()
    thread.join()
  }
}

private final class JoinableThread {
  private var thread: Thread?

  init(_ body: @escaping @Sendable () -> Void) throws {
    thread = try Thread(name: "test") { body() }
  }

  func join() {
    thread.take()?.join()
  }
}

private func voluntarySwitches() -> Int {
  var usage = rusage()
  let callingThread = __rusage_who_t(1)
  getrusage(callingThread, &usage)
  return usage.ru_nvcsw
}
