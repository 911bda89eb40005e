import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct LoggedChardevTests {
  private let directory: TemporaryDirectory
  private let backend = ScriptedChardev()

  init() throws { directory = try TemporaryDirectory() }

  private func logged(
    annotated: Bool = false, appends: Bool = false, takesUnattended: Bool = false
  ) throws -> RecordingFrontEnd {
    let log = LogConfiguration(
      path: directory["log"], appends: appends, isAnnotated: annotated)
    return RecordingFrontEnd(
      try LoggedChardev(backend, log, takesUnattended: takesUnattended))
  }

  private var log: String { directory.text(of: "log") }

  @Test func writesDownWhatTheGuestWrites() throws {
    let frontEnd = try logged()
    backend.connect()
    #expect(frontEnd.events == [.connected])
    #expect(frontEnd.chardev.filename == "scripted")
    frontEnd.setWantsReadable(true)
    backend.send(Array("typed".utf8))
    #expect(frontEnd.text == "typed")
    #expect(frontEnd.write("one\r\n\u{1b}[0m") == .transferred(9))
    #expect(log == "one\r\n\u{1b}[0m", "output alone, as it is")
    #expect(String(decoding: backend.received, as: UTF8.self) == log)
  }

  @Test func writesDownOnceWhatIsTakenInParts() throws {
    let frontEnd = try logged()
    backend.connect()
    backend.writeRoom = 4
    #expect(frontEnd.write("abcdef") == .transferred(4))
    #expect(frontEnd.write("ef") == .wouldBlock)
    #expect(log == "abcd")
    backend.takeMore(100)
    #expect(frontEnd.write("ef") == .transferred(2))
    #expect(log == "abcdef")
  }

  /// A console's last words are in the log, whichever client was connected; a channel's bytes wait.
  @Test(arguments: [true, false])
  func takesAConsolesOutputWithoutAClient(_ isConsole: Bool) throws {
    let frontEnd = try logged(takesUnattended: isConsole)
    #expect(frontEnd.write("panic") == (isConsole ? .transferred(5) : .disconnected))
    #expect(log == (isConsole ? "panic" : ""))
  }

  @Test(arguments: [true, false])
  func emptiesOrAddsTo(_ appends: Bool) throws {
    try directory.makeFile("log", bytes: Array("former ".utf8))
    let frontEnd = try logged(appends: appends)
    #expect(log == "former ")
    try frontEnd.chardev.start(on: EventLoop())
    backend.connect()
    frontEnd.write("new")
    #expect(log == (appends ? "former new" : "new"))
  }

  @Test func annotatesBothDirections() throws {
    let frontEnd = try logged(annotated: true)
    backend.connect()
    frontEnd.setWantsReadable(true)
    frontEnd.write("login: ")
    backend.send(Array("root\r".utf8))
    frontEnd.write("\n# ")
    backend.disconnect()
    frontEnd.chardev.stop()
    let lines = log.split(separator: "\n").map { line in
      #expect(line.prefix(25).contains("T") && line.dropFirst(23).hasPrefix("Z "))
      return String(line.dropFirst(25))
    }
    #expect(lines == ["* connected", "> login: ", "< root", "> ", "> # ", "* disconnected"])
    #expect(backend.isStopped)
  }

  /// A record that is a pipe without a reader, or a full disk, holds nothing up.
  @Test func neverWaitsForItsFile() throws {
    let path = try directory.makePipe("log")
    let reader = FileDescriptor(owning: open(path, O_RDONLY | O_NONBLOCK))
    let frontEnd = try logged()
    backend.connect()
    let block = [UInt8](repeating: 1, count: 60_000)
    for _ in 0..<40 { #expect(frontEnd.write(block) == .transferred(60_000)) }
    #expect(backend.received.count == 2_400_000)
    var buffer = [UInt8](repeating: 0, count: 60_000)
    #expect(read(reader.rawValue, &buffer, buffer.count) == 60_000)
    let full = try LoggedChardev(
      ScriptedChardev(), LogConfiguration(path: "/dev/full"), takesUnattended: true)
    #expect(RecordingFrontEnd(full).write("x") == .transferred(1))
  }

  @Test func saysWhyThereCanBeNoRecord() {
    for path in ["/nonexistent/log", directory.path, ""] {
      let error = #expect(throws: ChardevError.self) {
        try LoggedChardev(backend, LogConfiguration(path: path), takesUnattended: false)
      }
      #expect(error?.description.contains(";") == true)
    }
  }

  @Test func passesOnEverythingElse() throws {
    let frontEnd = try logged(annotated: true)
    backend.connect()
    backend.resize(columns: 80, rows: 25)
    #expect(frontEnd.chardev.terminal?.windowSize?.columns == 80)
    frontEnd.setWantsWritable(true)
    #expect(backend.wantsWritable)
    frontEnd.chardev.session?.endOutput()
    frontEnd.chardev.session?.disconnectClient()
    #expect(backend.outputEnds == 1 && backend.disconnections == 1)
    backend.takeMore(1)
    #expect(frontEnd.writableCalls == 1)
  }
}

@Suite struct LineAnnotatorTests {
  private func lines(
    _ pieces: [(LineAnnotator.Direction, [UInt8])], finishes: Bool = true
  ) -> [String] {
    var annotator = LineAnnotator()
    for (index, piece) in pieces.enumerated() {
      annotator.take(piece.1, piece.0, at: WallClock.Time(milliseconds: index))
    }
    if finishes { annotator.finishLine() }
    return String(decoding: annotator.takeText(), as: UTF8.self).split(separator: "\n").map {
      String($0)
    }
  }

  @Test func aLineHasTheTimeOfItsFirstByte() {
    let lines = lines([(.fromGuest, Array("ab".utf8)), (.fromGuest, Array("c\nd".utf8))])
    #expect(
      lines == ["1970-01-01T00:00:00.000Z > abc", "1970-01-01T00:00:00.001Z > d"])
    #expect(
      WallClock.Time(milliseconds: 1_795_372_327_250).text == "2026-11-22T18:32:07.250Z")
  }

  @Test func anUnfinishedLineWaits() {
    #expect(lines([(.toGuest, Array("ab".utf8))], finishes: false) == [])
  }

  /// No guest forges a line, or commands the terminal that shows the record.
  @Test func escapesEverythingThatIsNotPlainText() {
    let bytes: [UInt8] = [0x1b, 0x5b, 0x41, 0x00, 0xc2, 0x9b, 0x7f, 0x5c, 0x09, 0x0d, 0x41]
    #expect(
      lines([(.fromGuest, bytes)]) == [
        "1970-01-01T00:00:00.000Z > \\x1b[A\\x00\\xc2\\x9b\\x7f\\\\\\t\\rA"
      ])
  }

  @Test func cutsALineThatNeverEnds() {
    let count = LineAnnotator.longestLine
    let lines = lines([(.fromGuest, [UInt8](repeating: 0x61, count: 2 * count + 5))])
    #expect(lines.map { $0.utf8.count - 27 } == [count, count, 5])
  }
}
