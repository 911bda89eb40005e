import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct StandardIOTests {
  @Test func isConnectedFromTheStart() throws {
    let console = try Console()
    #expect(console.frontEnd.events == [.connected])
    #expect(console.standardIO.isConnected)
  }

  @Test func carriesKeysAndOutput() throws {
    let console = try Console()
    console.type("ls\r")
    #expect(console.loop.sleepsThroughATurn())
    console.frontEnd.setWantsReadable(true)
    #expect(console.loop.turn { console.frontEnd.text == "ls\r" })
    #expect(console.frontEnd.write("bin etc\r\n") == .transferred(9))
    #expect(console.shown() == "bin etc\r\n")
    #expect(console.standardIO.bytesRead == 3)
    #expect(console.standardIO.bytesWritten == 9)
  }

  @Test func carriesKeysAndOutputOverSockets() throws {
    let console = try Console(makeEnds: socketPair)
    let long = String(repeating: "x", count: 700)
    console.frontEnd.setWantsReadable(true)
    console.type(long)
    #expect(console.loop.turn { console.frontEnd.text == long })
    // Where a write might block it moves little at a time.
    #expect(console.frontEnd.write(long) == .transferred(256))
    #expect(console.shown() == String(repeating: "x", count: 256))
  }

  @Test(arguments: [true, false])
  func stopsReadingAtTheEndOfInput(_ usesSockets: Bool) throws {
    let console =
      usesSockets ? try Console(makeEnds: socketPair) : try Console()
    console.frontEnd.setWantsReadable(true)
    console.type("last")
    console.hangUp()
    #expect(console.loop.turn { console.standardIO.hasInputEnded })
    #expect(console.frontEnd.text == "last")
    #expect(console.loop.sleepsThroughATurn())
    #expect(console.frontEnd.events == [.connected])
    #expect(console.frontEnd.write("still") == .transferred(5))
    #expect(console.shown() == "still")
  }

  /// U9: a reader that does not read must not stop the machine.
  @Test(arguments: [true, false])
  func neverBlocksOnAFullPipe(_ usesSockets: Bool) throws {
    let console =
      usesSockets ? try Console(makeEnds: socketPair) : try Console()
    let written = console.frontEnd.fill()
    #expect(console.frontEnd.write("x") == .wouldBlock)
    #expect(written >= 5_000)
    console.frontEnd.setWantsWritable(true)
    #expect(console.loop.sleepsThroughATurn())
    #expect(console.frontEnd.writableCalls == 0)
    var taken = 0
    while taken < written { taken += console.shown(65536).utf8.count }
    console.frontEnd.whenWritable = { console.frontEnd.setWantsWritable(false) }
    #expect(console.loop.turn { console.frontEnd.writableCalls == 1 })
    #expect(console.frontEnd.write("x") == .transferred(1))
  }

  @Test func outputWithoutAReaderIsDiscarded() async {
    await #expect(processExitsWith: .exitCode(0)) {
      var ends: [Int32] = [-1, -1]
      pipe(&ends)
      let standardIO = try DescriptorChardev(
        standardInput: open("/dev/null", O_RDONLY), standardOutput: ends[1])
      let frontEnd = RecordingFrontEnd(standardIO)
      close(ends[0])
      guard frontEnd.write("unheard") == .lost(7) else { exit(1) }
      exit(standardIO.bytesDiscarded == 7 && standardIO.bytesWritten == 0 ? 0 : 2)
    }
  }

  @Test func readsAFileToItsEnd() throws {
    let directory = try TemporaryDirectory()
    let path = directory["input"]
    let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
    let file = FileDescriptor(owning: open(path, O_RDWR | O_CREAT, 0o600))
    #expect(write(file.rawValue, content, content.count) == content.count)
    lseek(file.rawValue, 10, SEEK_SET)
    let output = FileDescriptor(owning: open(directory["output"], O_RDWR | O_CREAT, 0o600))
    write(output.rawValue, "head ", 5)
    let loop = try EventLoop()
    let standardIO = try DescriptorChardev(
      standardInput: file.rawValue, standardOutput: output.rawValue)
    let frontEnd = RecordingFrontEnd(standardIO)
    frontEnd.readLimit = 5000
    try standardIO.start(on: loop)
    frontEnd.setWantsReadable(true)
    #expect(loop.turn { standardIO.hasInputEnded })
    // From where the shell's redirection stands, not from the beginning.
    #expect(frontEnd.received == Array(content.dropFirst(10)))
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.write("tail") == .transferred(4))
    var text = [UInt8](repeating: 0, count: 20)
    #expect(pread(output.rawValue, &text, 20, 0) == 9)
    #expect(text.prefix(9) == Array("head tail".utf8)[...])
  }

  @Test func aFileIsReadOnlyWhileWanted() throws {
    let loop = try EventLoop()
    let file = FileDescriptor(owning: open("/proc/self/exe", O_RDONLY))
    let standardIO = try DescriptorChardev(standardInput: file.rawValue)
    let frontEnd = RecordingFrontEnd(standardIO)
    try standardIO.start(on: loop)
    loop.settle()
    #expect(loop.sleepsThroughATurn())
    frontEnd.setWantsReadable(true)
    #expect(loop.turn { frontEnd.received.count > 100_000 })
    frontEnd.setWantsReadable(false)
    loop.settle()
    #expect(loop.sleepsThroughATurn())
  }

  @Test func takesTheNullDeviceForBoth() throws {
    let loop = try EventLoop()
    let null = FileDescriptor(owning: open("/dev/null", O_RDWR))
    let standardIO = try DescriptorChardev(
      standardInput: null.rawValue, standardOutput: null.rawValue)
    let frontEnd = RecordingFrontEnd(standardIO)
    try standardIO.start(on: loop)
    frontEnd.setWantsReadable(true)
    #expect(loop.turn { standardIO.hasInputEnded })
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.write("gone") == .transferred(4))
  }

  @Test func leavesASharedTerminalsModeAlone() throws {
    let controller = FileDescriptor(owning: posix_openpt(O_RDWR | O_NOCTTY))
    var name = [CChar](repeating: 0, count: 64)
    try #require(grantpt(controller.rawValue) == 0 && unlockpt(controller.rawValue) == 0)
    try #require(ptsname_r(controller.rawValue, &name, name.count) == 0)
    let terminal = FileDescriptor(owning: open(name, O_RDWR | O_NOCTTY))
    let loop = try EventLoop()
    let standardIO = try DescriptorChardev(
      standardInput: terminal.rawValue, standardOutput: terminal.rawValue)
    let frontEnd = RecordingFrontEnd(standardIO)
    try standardIO.start(on: loop)
    frontEnd.setWantsReadable(true)
    // A screen that has stopped: far more output than a terminal holds.
    #expect(frontEnd.fill() > 0)
    write(controller.rawValue, "key\n", 4)
    #expect(loop.turn { frontEnd.text == "key\n" })
    #expect(fcntl(terminal.rawValue, F_GETFL) & O_NONBLOCK == 0)
    standardIO.stop()
  }

  @Test func aTerminalThatHangsUpEndsTheInput() throws {
    var controller: FileDescriptor? = FileDescriptor(owning: posix_openpt(O_RDWR | O_NOCTTY))
    let number = controller?.rawValue ?? -1
    var name = [CChar](repeating: 0, count: 64)
    try #require(grantpt(number) == 0 && unlockpt(number) == 0)
    try #require(ptsname_r(number, &name, name.count) == 0)
    let terminal = FileDescriptor(owning: open(name, O_RDWR | O_NOCTTY))
    let loop = try EventLoop()
    let standardIO = try DescriptorChardev(
      standardInput: terminal.rawValue, standardOutput: terminal.rawValue)
    let frontEnd = RecordingFrontEnd(standardIO)
    try standardIO.start(on: loop)
    frontEnd.setWantsReadable(true)
    loop.settle()
    controller = nil
    #expect(loop.turn { standardIO.hasInputEnded })
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.write("x") == .lost(1))
    #expect(standardIO.bytesDiscarded == 1)
  }

  /// H13: `EIO` on every read, as for a process in the background, until that changes.
  @Test func restsAfterAnErrorAndTriesAgain() throws {
    let controller = FileDescriptor(owning: posix_openpt(O_RDWR | O_NOCTTY))
    var name = [CChar](repeating: 0, count: 64)
    try #require(grantpt(controller.rawValue) == 0 && unlockpt(controller.rawValue) == 0)
    try #require(ptsname_r(controller.rawValue, &name, name.count) == 0)
    close(open(name, O_RDWR | O_NOCTTY))
    let loop = try EventLoop()
    let standardIO = try DescriptorChardev(standardInput: controller.rawValue)
    let frontEnd = RecordingFrontEnd(standardIO)
    try standardIO.start(on: loop)
    frontEnd.setWantsReadable(true)
    #expect(loop.turn { standardIO.readErrors == 1 })
    #expect(loop.sleepsThroughATurn())
    #expect(standardIO.readErrors == 1)
    let terminal = FileDescriptor(owning: open(name, O_RDWR | O_NOCTTY))
    #expect(write(terminal.rawValue, "back", 4) == 4)
    #expect(loop.turn { frontEnd.text == "back" })
    standardIO.stop()
  }

  @Test func callsNoDelegateAfterStop() throws {
    let console = try Console()
    console.type("x")
    console.frontEnd.setWantsReadable(true)
    console.frontEnd.setWantsWritable(true)
    console.standardIO.stop()
    console.loop.settle()
    #expect(console.frontEnd.readableCalls == 0)
    #expect(console.frontEnd.writableCalls == 0)
  }
}
