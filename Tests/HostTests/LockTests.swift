import Glibc
import Host
import TestSupport
import Testing

@Suite struct LockTests {
  @Test("A thread that waits sleeps until the state is as it wants it")
  func wakesWhoWaits() {
    let monitor = Lock(0)
    let woken = Counter()
    let threads = (1...4).map { number in
      startThread {
        monitor.wait { $0 >= number }
        woken.add(1)
      }
    }
    for count in 1...4 {
      monitor.withLock { $0 = count }
      #expect(waitUntil { woken.value == count })
    }
    for thread in threads { pthread_join(thread, nil) }
    monitor.wait { $0 == 4 }
    #expect(monitor.withLock { $0 } == 4)
  }
}
