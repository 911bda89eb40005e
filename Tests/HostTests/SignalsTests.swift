import CKVM
import Glibc
import Host
import Testing

@Suite struct SignalSourceTests {
  @Test func deliversSignalsOnTheLoopInsteadOfKilling() async {
    let seen = await onOwnThread { () -> [Int32] in
      do {
        let source = try SignalSource([SIGTERM, SIGUSR2])
        let loop = try EventLoop()
        var seen: [Int32] = []
        // To this thread: one that arrives before the source is started is not lost.
        pthread_kill(pthread_self(), SIGTERM)
        try source.start(on: loop) { seen.append($0) }
        pthread_kill(pthread_self(), SIGUSR2)
        _ = loop.turn { seen.count == 2 }
        return seen.sorted()
      } catch {
        return []
      }
    }
    #expect(seen == [SIGUSR2, SIGTERM].sorted())
  }

  @Test func stopsInsideItsHandler() async {
    let calls = await onOwnThread { () -> Int in
      do {
        let source = try SignalSource([SIGUSR1, SIGUSR2])
        let loop = try EventLoop()
        var calls = 0
        try source.start(on: loop) { _ in
          calls += 1
          source.stop()
        }
        pthread_kill(pthread_self(), SIGUSR1)
        pthread_kill(pthread_self(), SIGUSR2)
        for _ in 0..<5 { loop.turn(timeoutMilliseconds: 1) }
        return calls
      } catch {
        return -1
      }
    }
    #expect(calls == 1)
  }

  @Test func makesABrokenPipeAnErrorOfTheWrite() async {
    await #expect(processExitsWith: .exitCode(EPIPE)) {
      SignalSource.ignoreWriteFailures()
      var ends: [Int32] = [-1, -1]
      pipe(&ends)
      close(ends[0])
      let count = write(ends[1], "x", 1)
      exit(count == -1 ? errno : 0)
    }
  }
}
