import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct PipeChardevTests {
  private let directory: TemporaryDirectory
  private let loop: EventLoop

  init() throws {
    directory = try TemporaryDirectory()
    loop = try EventLoop()
  }

  private func started(pair: Bool = true) throws -> (DescriptorChardev, RecordingFrontEnd) {
    for name in pair ? ["pipe.in", "pipe.out"] : ["pipe"] { try directory.makePipe(name) }
    let pipe = try DescriptorChardev(pipe: directory["pipe"])
    let frontEnd = RecordingFrontEnd(pipe)
    try pipe.start(on: loop)
    loop.settle()
    return (pipe, frontEnd)
  }

  /// Never waits for anybody.
  private func open(_ name: String, _ access: Int32) -> FileDescriptor {
    FileDescriptor(owning: Glibc.open(directory[name], access | O_NONBLOCK))
  }

  private func read(_ descriptor: borrowing FileDescriptor, _ count: Int = 65536) -> String {
    var buffer = [UInt8](repeating: 0, count: count)
    let count = Glibc.read(descriptor.rawValue, &buffer, count)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }

  @Test func carriesBothDirectionsOverAPair() throws {
    let (pipe, frontEnd) = try started()
    #expect(frontEnd.events == [.connected])
    frontEnd.setWantsReadable(true)
    #expect(loop.sleepsThroughATurn())
    let writer = open("pipe.in", O_WRONLY)
    let reader = open("pipe.out", O_RDONLY)
    #expect(write(writer.rawValue, "to the guest", 12) == 12)
    #expect(loop.turn { frontEnd.text == "to the guest" })
    #expect(frontEnd.write("from it") == .transferred(7))
    #expect(read(reader) == "from it")
    #expect(pipe.filename == "pipe")
    pipe.stop()
    #expect(directory.entries == ["pipe.in", "pipe.out"])
  }

  @Test("What is in the pipe and unread is known, to the byte")
  func countsWhatIsUnread() throws {
    let (pipe, frontEnd) = try started()
    let reader = open("pipe.out", O_RDONLY)
    #expect(frontEnd.write("from it") == .transferred(7))
    #expect(pipe.outputStatus.unreadByteCount == 7)
    #expect(read(reader, 2) == "fr")
    #expect(pipe.outputStatus.unreadByteCount == 5)
    #expect(read(reader) == "om it")
    #expect(pipe.outputStatus.unreadByteCount == 0)
  }

  @Test func oneFIFOTakesTheOutputAlone() throws {
    let (pipe, frontEnd) = try started(pair: false)
    frontEnd.setWantsReadable(true)
    #expect(frontEnd.write("once") == .transferred(4))
    loop.settle()
    #expect(frontEnd.received.isEmpty, "its own output")
    #expect(frontEnd.read() == .wouldBlock)
    let reader = open("pipe", O_RDONLY)
    #expect(read(reader) == "once")
    pipe.stop()
  }

  /// H14: readers and writers that come and go; no end of file, no hang-up, no wake-up for nothing.
  @Test func outlivesReadersThatComeAndGo() throws {
    let (pipe, frontEnd) = try started()
    frontEnd.setWantsReadable(true)
    for round in 0..<3 {
      do {
        let writer = open("pipe.in", O_WRONLY)
        let reader = open("pipe.out", O_RDONLY)
        #expect(write(writer.rawValue, "\(round)", 1) == 1)
        #expect(loop.turn { frontEnd.received.count == round + 1 })
        #expect(frontEnd.write("out \(round)") == .transferred(5))
        #expect(read(reader) == "out \(round)")
      }
      #expect(loop.sleepsThroughATurn())
      #expect(frontEnd.write("unheard") == .transferred(7))
      #expect(read(open("pipe.out", O_RDONLY)) == "unheard", "it waits for the next reader")
    }
    #expect(frontEnd.text == "012")
    #expect(frontEnd.events == [.connected])
    pipe.stop()
  }

  /// U9, H14: a pipe without a reader holds back this port, and nothing is lost.
  @Test func waitsForAReaderOnceThePipeIsFull() throws {
    let (pipe, frontEnd) = try started()
    let block = [UInt8](repeating: UInt8(ascii: "x"), count: 10_000)
    var written = 0
    while case .transferred(let count) = frontEnd.write(block) { written += count }
    #expect(written >= 4096)
    frontEnd.setWantsWritable(true)
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.writableCalls == 0)
    let reader = open("pipe.out", O_RDONLY)
    var taken = 0
    while taken < written { taken += read(reader).utf8.count }
    frontEnd.whenWritable = { frontEnd.setWantsWritable(false) }
    #expect(loop.turn { frontEnd.writableCalls == 1 })
    #expect(frontEnd.write("more") == .transferred(4))
    #expect(read(reader) == "more")
    #expect(pipe.bytesWritten == UInt64(written + 4))
    pipe.stop()
  }

  @Test func saysWhatIsMissing() throws {
    try directory.makePipe("half.in")
    try directory.makePipe("mixed.in")
    try directory.makeFile("mixed.out", size: 3)
    try directory.makeFile("file", size: 3)
    let cases = [
      ("none", "mkfifo '\(directory["none"])'"), ("half", "mkfifo '\(directory["half.in"])' '"),
      ("mixed", "'\(directory["mixed.out"])' is no named pipe"),
      ("file", "'\(directory["file"])' is no named pipe"),
    ]
    for (name, part) in cases {
      let error = #expect(throws: ChardevError.self) {
        try DescriptorChardev(pipe: directory[name])
      }
      #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
    }
    #expect(throws: ChardevError.self) { try DescriptorChardev(pipe: "") }
    #expect(throws: ChardevError.self) { try DescriptorChardev(pipe: "a\0b") }
    #expect(directory.text(of: "file").utf8.count == 3, "left alone")
  }
}
