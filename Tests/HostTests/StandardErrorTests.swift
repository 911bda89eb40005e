import Glibc
import TestSupport
import Testing

@testable import Host

/// Standard error without a reader, of every kind: each test would hang.
@Suite(.timeLimit(.minutes(1)))
struct StandardErrorTests {
  /// Floods standard error with lines of two lengths; returns whether any was reported as taken, and any
  /// as not.
  private static func flood() -> Bool {
    var taken = 0
    var dropped = 0
    for index in 0..<300 {
      let text = String(repeating: "x", count: index % 2 == 0 ? 100 : 10_000)
      if Log.plain(text) { taken += 1 } else { dropped += 1 }
    }
    return taken > 0 && dropped > 0
  }

  /// Returns the end from which it can be read, which stays open.
  private static func standardErrorBecomesAPipe() -> Int32 {
    let pipe = Pipe()
    dup2(pipe.writing.rawValue, STDERR_FILENO)
    return dup(pipe.reading.rawValue)
  }

  @Test func anUnreadTerminalHoldsNothingUp() async {
    await #expect(processExitsWith: .exitCode(7)) {
      let pty = UserTerminal()
      dup2(pty.terminal.rawValue, STDERR_FILENO)
      let isRight = Self.flood()
      withExtendedLifetime(pty) {}
      exit(isRight ? 7 : 1)
    }
  }

  @Test func anUnreadPipeHoldsNothingUp() async {
    await #expect(processExitsWith: .exitCode(7)) {
      _ = Self.standardErrorBecomesAPipe()
      exit(Self.flood() ? 7 : 1)
    }
  }

  @Test func anUnreadSocketHoldsNothingUp() async {
    await #expect(processExitsWith: .exitCode(7)) {
      let pair = SocketPair()
      dup2(pair.ours.rawValue, STDERR_FILENO)
      let isRight = Self.flood()
      withExtendedLifetime(pair) {}
      exit(isRight ? 7 : 1)
    }
  }

  @Test("It does not block when no descriptor is left to open the file anew")
  func holdsNothingUpWithoutDescriptors() async {
    await #expect(processExitsWith: .exitCode(7)) {
      let pty = UserTerminal()
      let pipe = Pipe()
      for end in [pty.terminal.rawValue, pipe.writing.rawValue] {
        dup2(end, STDERR_FILENO)
        let resource = __rlimit_resource_t(7)  // RLIMIT_NOFILE
        var none = rlimit(rlim_cur: 3, rlim_max: 1024)
        setrlimit(resource, &none)
        guard open("/dev/null", O_RDONLY) == -1, Self.flood() else { exit(1) }
        var some = rlimit(rlim_cur: 1024, rlim_max: 1024)
        setrlimit(resource, &some)
      }
      withExtendedLifetime(pty) {}
      withExtendedLifetime(pipe) {}
      exit(7)
    }
  }

  @Test("Its mode, which others share, stays as it is")
  func leavesTheModeAlone() async {
    await #expect(processExitsWith: .exitCode(7)) {
      _ = Self.standardErrorBecomesAPipe()
      _ = Self.flood()
      exit(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK == 0 ? 7 : 1)
    }
  }

  @Test("A last message waits for a reader, but not for ever")
  func lastWordsWaitForAWhile() async {
    await #expect(processExitsWith: .exitCode(7)) {
      _ = Self.standardErrorBecomesAPipe()
      let text = String(repeating: "x", count: 200_000)
      let start = MonotonicClock.now()
      guard !StandardError.write(text) else { exit(1) }
      let milliseconds = (MonotonicClock.now() &- start) / 1_000_000
      exit((900..<5000).contains(milliseconds) ? 7 : 2)
    }
  }

  @Test func aReaderThatIsSlowGetsAll() async {
    await #expect(processExitsWith: .exitCode(7)) {
      let reading = Self.standardErrorBecomesAPipe()
      let reader = try? Thread(name: "reader") {
        usleep(100_000)
        var buffer = [UInt8](repeating: 0, count: 65536)
        while read(reading, &buffer, buffer.count) > 0 {}
      }
      let isAllWritten = StandardError.write(String(repeating: "x", count: 200_000))
      withExtendedLifetime(reader) {}
      exit(isAllWritten ? 7 : 1)
    }
  }
}
