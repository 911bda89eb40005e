import Host
import Synchronization
import Testing

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
