import Glibc
import Host
import Synchronization
import Testing

@Suite struct LogTests {
  @Test func printsOneLineEachOnStandardError() async {
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardErrorContent]
    ) {
      Log.error("first\n\u{1b}[2J")
      Log.warning("second")
      Log.note("third")
      exit(0)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text == "swiftvm: first\\n\\x1b[2J\nswiftvm: warning: second\nswiftvm: third\n")
  }

  @Test(.timeLimit(.minutes(1)))
  func dropsALineRatherThanWaitForAReader() async {
    await #expect(processExitsWith: .exitCode(7)) {
      var ends: [Int32] = [-1, -1]
      pipe(&ends)
      dup2(ends[1], STDERR_FILENO)
      for _ in 0..<10_000 { Log.warning("this pipe has no reader and holds 64 KiB") }
      exit(7)
    }
  }
}

@Suite struct RateLimitedLogTests {
  private final class World: Sendable {
    let time = Atomic<Int64>(0)
    let lines = Mutex<[String]>([])

    func log(_ linesPerSecond: Int) -> RateLimitedLog {
      RateLimitedLog(
        linesPerSecond: linesPerSecond,
        now: { self.time.load(ordering: .relaxed) },
        print: { line in self.lines.withLock { $0.append(line) } })
    }

    var printed: [String] { lines.withLock { $0 } }
  }

  @Test func printsSoManyLinesASecondAndCountsTheRest() {
    let world = World()
    let log = world.log(2)
    for number in 1...5 { log.warning("line \(number)") }
    #expect(world.printed == ["line 1", "line 2"])
    world.time.store(999_999_999, ordering: .relaxed)
    log.warning("still too early")
    #expect(world.printed.count == 2)
    world.time.store(1_000_000_000, ordering: .relaxed)
    log.warning("line 6")
    log.warning("line 7")
    #expect(
      world.printed.suffix(2) == ["line 6 (4 more of this kind were not printed)", "line 7"])
  }

  @Test func doesNotBuildAMessageThatIsNotPrinted() {
    let log = World().log(1)
    var built = 0
    func message() -> String {
      built += 1
      return "message"
    }
    for _ in 0..<10 { log.warning(message()) }
    #expect(built == 1)
  }
}

@Suite
struct LossyLogTests {
  /// Takes so many lines, and more when told.
  private final class Reader: Sendable {
    private let state = Mutex<(room: Int, lines: [String])>((0, []))
    var lines: [String] { state.withLock { $0.lines } }
    func makeRoom(_ count: Int) { state.withLock { $0.room = count } }
    func take(_ line: String) -> Bool {
      state.withLock { state in
        guard state.room > 0 else { return false }
        state.room -= 1
        state.lines.append(line)
        return true
      }
    }
  }

  @Test func dropsAndCountsWhatIsNotTaken() {
    let reader = Reader()
    let log = LossyLog { reader.take($0) }
    reader.makeRoom(1)
    for line in ["a", "b", "c"] { log.line(line) }
    #expect(reader.lines == ["a"])
    #expect(log.droppedLineCount == 2)
    reader.makeRoom(9)
    for line in ["d", "e"] { log.line(line) }
    #expect(reader.lines == ["a", "(2 lines were dropped here)", "d", "e"])
    #expect(log.droppedLineCount == 2)
  }

  @Test func countsALineThatTheCountLeavesNoRoomFor() {
    let reader = Reader()
    let log = LossyLog { reader.take($0) }
    log.line("a")
    reader.makeRoom(1)
    log.line("b")
    reader.makeRoom(2)
    log.line("c")
    #expect(
      reader.lines == ["(1 lines were dropped here)", "(1 lines were dropped here)", "c"])
    #expect(log.droppedLineCount == 2)
  }
}
