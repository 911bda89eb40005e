import Glibc
import Host
import Synchronization
import TestSupport
import Testing

@Suite struct ThreadTests {
  private final class Observation: Sendable {
    let name = Mutex("")
    let identifier = Mutex<pthread_t>(0)
  }

  @Test func runsItsBodyUnderItsNameBeforeJoinReturns() throws {
    let seen = Observation()
    let thread = try Thread(name: "swiftvm-io") {
      seen.name.withLock { $0 = currentThreadName() }
      seen.identifier.withLock { $0 = pthread_self() }
    }
    thread.join()
    #expect(seen.name.withLock { $0 } == "swiftvm-io")
    #expect(seen.identifier.withLock { $0 } != pthread_self())
  }

  @Test func shortensANameThatTheKernelWouldRefuse() throws {
    let seen = Observation()
    let thread = try Thread(name: "a name of twenty-four b") {
      seen.name.withLock { $0 = currentThreadName() }
    }
    thread.join()
    #expect(seen.name.withLock { $0 } == "a name of twent")
  }

  private final class Canary: Sendable {
    let released: EventFD
    init(released: EventFD) { self.released = released }
    deinit { released.signal() }
  }

  @Test func releasesItsBodyWhenItEnds() throws {
    let released = try EventFD()
    let canary = Canary(released: released)
    let thread = try Thread(name: "short") { _ = canary }
    thread.join()
    _ = consume canary
    #expect(released.drain() == 1)
  }
}

private func currentThreadName() -> String {
  let file = open("/proc/thread-self/comm", O_RDONLY)
  defer { close(file) }
  var name = [UInt8](repeating: 0, count: 32)
  let count = read(file, &name, name.count)
  return String(decoding: name.prefix(max(0, count - 1)), as: UTF8.self)
}

@Suite struct LockTests {
  @Test("A waiting thread sleeps until the state fulfils its condition")
  func wakesWaitingThreads() {
    let lock = Lock(0)
    let woken = Counter()
    let threads = (1...4).map { number in
      startThread {
        lock.wait { $0 >= number }
        woken.add(1)
      }
    }
    for count in 1...4 {
      lock.withLock { $0 = count }
      #expect(waitUntil { woken.value == count })
    }
    for thread in threads { pthread_join(thread, nil) }
    lock.wait { $0 == 4 }
    #expect(lock.withLock { $0 } == 4)
  }
}
