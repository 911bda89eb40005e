import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct FileSinkTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func content(of path: String) throws -> String {
    let file = try MappedFile(path: path)
    return String(decoding: file.bytes, as: UTF8.self)
  }

  @Test func createsTheFileAndWrites() throws {
    let path = directory["log"]
    let sink = try FileSink(path: path)
    #expect(directory.entries == ["log"])
    let frontEnd = RecordingFrontEnd(sink)
    let loop = try EventLoop()
    try sink.start(on: loop)
    loop.settle()
    #expect(frontEnd.events == [.connected])
    #expect(frontEnd.write("one ") == .transferred(4))
    #expect(frontEnd.write("two") == .transferred(3))
    #expect(try content(of: path) == "one two")
    #expect(sink.bytesWritten == 7)
    #expect(frontEnd.read() == .wouldBlock)
    sink.stop()
    #expect(directory.entries == ["log"])
  }

  @Test func emptiesAFileThatIsThere() throws {
    let path = directory["log"]
    let former = FileDescriptor(owning: open(path, O_WRONLY | O_CREAT, 0o600))
    write(former.rawValue, "former content", 14)
    let sink = try FileSink(path: path)
    #expect(RecordingFrontEnd(sink).write("new") == .transferred(3))
    #expect(try content(of: path) == "new")
  }

  @Test func isAlwaysWritable() throws {
    let sink = try FileSink(path: directory["log"])
    let frontEnd = RecordingFrontEnd(sink)
    let loop = try EventLoop()
    try sink.start(on: loop)
    frontEnd.setWantsWritable(true)
    #expect(frontEnd.writableCalls == 0)
    #expect(loop.turn { frontEnd.writableCalls >= 2 })
    frontEnd.setWantsWritable(false)
    loop.settle()
    let calls = frontEnd.writableCalls
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.writableCalls == calls)
  }

  /// H14: a full disk is counted, and holds nobody up.
  @Test func discardsWhatTheDiskHasNoRoomFor() throws {
    let sink = try FileSink(path: "/dev/full")
    let frontEnd = RecordingFrontEnd(sink)
    #expect(frontEnd.write("lost") == .transferred(4))
    #expect(sink.bytesDiscarded == 4)
    #expect(sink.bytesWritten == 0)
  }

  @Test func saysWhyAFileCannotBeWritten() {
    let fifo = directory["pipe"]
    mkfifo(fifo, 0o600)
    for (path, reason) in [
      ("/nonexistent/log", ENOENT), (directory.path, EISDIR), (fifo, ENXIO),
    ] {
      let expected = FileSinkError(path: path, cause: SystemError("open", errno: reason))
      #expect(throws: expected) { try FileSink(path: path) }
      #expect(expected.description.contains(path))
      #expect(expected.description.contains(";"))
    }
  }
}
