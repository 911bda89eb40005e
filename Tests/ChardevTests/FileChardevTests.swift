import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

private let limitOfFiles = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)

@Suite struct FileChardevTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test func createsTheFileAndWrites() throws {
    let file = try DescriptorChardev(path: directory["log"])
    #expect(directory.entries == ["log"])
    let frontEnd = RecordingFrontEnd(file)
    let loop = try EventLoop()
    try file.start(on: loop)
    loop.settle()
    #expect(frontEnd.events == [.connected])
    #expect(frontEnd.write("one ") == .transferred(4))
    #expect(frontEnd.write("two") == .transferred(3))
    #expect(directory.text(of: "log") == "one two")
    #expect(file.bytesWritten == 7)
    #expect(frontEnd.read() == .wouldBlock)
    file.stop()
    #expect(directory.entries == ["log"])
  }

  @Test(arguments: [false, true])
  func emptiesAFileThatIsThereOrAddsToIt(_ appends: Bool) throws {
    let path = try directory.makeFile("log", bytes: Array("former ".utf8))
    let file = try DescriptorChardev(FileConfiguration(output: path, appends: appends))
    #expect(directory.text(of: "log") == "former ", "it is left alone until the machine begins")
    try file.start(on: EventLoop())
    #expect(RecordingFrontEnd(file).write("new") == .transferred(3))
    #expect(directory.text(of: "log") == (appends ? "former new" : "new"))
  }

  @Test(
    "A file that was made for a machine that never begins goes; one that was there stays as it was")
  func leavesNothingBehindUnused() throws {
    let former = try directory.makeFile("former", bytes: Array("former".utf8))
    do {
      let files = [
        try DescriptorChardev(path: directory["new"]), try DescriptorChardev(path: former),
      ]
      #expect(directory.entries == ["former", "new"])
      withExtendedLifetime(files) {}
    }
    #expect(directory.entries == ["former"])
    #expect(directory.text(of: "former") == "former")
  }

  @Test func goesOnAtTheEndOfAnEmptiedFile() throws {
    let path = directory["log"]
    let file = try DescriptorChardev(path: path)
    let frontEnd = RecordingFrontEnd(file)
    frontEnd.write("before")
    truncate(path, 0)
    frontEnd.write("after")
    #expect(directory.text(of: "log") == "after")
  }

  @Test func isAlwaysWritable() throws {
    let file = try DescriptorChardev(path: directory["log"])
    let frontEnd = RecordingFrontEnd(file)
    let loop = try EventLoop()
    try file.start(on: loop)
    frontEnd.setWantsWritable(true)
    #expect(frontEnd.writableCalls == 0)
    #expect(loop.turn { frontEnd.writableCalls >= 2 })
    frontEnd.setWantsWritable(false)
    loop.settle()
    let calls = frontEnd.writableCalls
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.writableCalls == calls)
  }

  @Test func readsTheInputFileToItsEnd() throws {
    let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let path = try directory.makeFile("in", bytes: content)
    let file = try DescriptorChardev(FileConfiguration(output: directory["out"], input: path))
    let frontEnd = RecordingFrontEnd(file)
    let loop = try EventLoop()
    try file.start(on: loop)
    loop.settle()
    #expect(frontEnd.received.isEmpty)
    frontEnd.setWantsReadable(true)
    #expect(loop.turn { file.hasInputEnded })
    let isSame = frontEnd.received == content
    #expect(isSame)
    #expect(frontEnd.events == [.connected])
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.write("still") == .transferred(5))
    #expect(directory.text(of: "out") == "still")
    file.stop()
  }

  @Test func discardsOutputWhereThereIsOnlyInput() throws {
    let path = try directory.makeFile("in", bytes: [1])
    let frontEnd = RecordingFrontEnd(try DescriptorChardev(FileConfiguration(input: path)))
    #expect(frontEnd.write("gone") == .lost(4))
    #expect(frontEnd.read() == .transferred(1))
  }

  /// H14: a full disk is counted, and holds nothing up.
  @Test func discardsWhatTheDiskHasNoRoomFor() throws {
    let file = try DescriptorChardev(path: "/dev/full")
    let frontEnd = RecordingFrontEnd(file)
    #expect(frontEnd.write("lost") == .lost(4))
    #expect(file.bytesDiscarded == 4)
    #expect(file.bytesWritten == 0)
  }

  /// H14: a file that may not grow any more (`EFBIG`, and the signal that comes with it).
  @Test func survivesTheLimitOfAFilesSize() async {
    await #expect(processExitsWith: .exitCode(0)) {
      let directory = try TemporaryDirectory()
      var limit = rlimit()
      getrlimit(limitOfFiles, &limit)
      limit.rlim_cur = 6
      setrlimit(limitOfFiles, &limit)
      let file = try DescriptorChardev(path: directory["log"])
      let frontEnd = RecordingFrontEnd(file)
      var taken = 0
      while taken < 10,
        case .transferred(let count) = frontEnd.write("0123456789".utf8.dropFirst(taken))
      {
        taken += count
      }
      limit.rlim_cur = limit.rlim_max
      setrlimit(limitOfFiles, &limit)
      guard directory.text(of: "log") == "012345", file.bytesDiscarded == 4 else { exit(1) }
      exit(0)
    }
  }

  @Test func saysWhyAFileCannotBeWritten() throws {
    let fifo = try directory.makePipe("pipe")
    for path in ["/nonexistent/log", directory.path, fifo, "", "a\0b"] {
      let error = #expect(throws: ChardevError.self) { try DescriptorChardev(path: path) }
      #expect(error?.description.contains(path.contains("\0") ? "NUL" : path) == true)
      #expect(error?.description.contains(";") == true)
    }
  }

  @Test func saysWhyAFileCannotBeRead() throws {
    let fifo = try directory.makePipe("pipe")
    for path in ["/nonexistent/log", directory["none"], directory.path, fifo] {
      let error = #expect(throws: ChardevError.self) {
        try DescriptorChardev(FileConfiguration(input: path))
      }
      #expect(error?.description.contains(path) == true)
      #expect(error?.description.contains(";") == true)
    }
  }

  @Test("Two do not write to one file, unless both add to it")
  func hasOneWriter() throws {
    let path = directory["log"]
    let first = try DescriptorChardev(path: path)
    let error = #expect(throws: ChardevError.self) { try DescriptorChardev(path: path) }
    #expect(error?.description.contains("a running process writes to this file") == true)
    withExtendedLifetime(first) {}
    let shared = FileConfiguration(output: directory["shared"], appends: true)
    let both = [try DescriptorChardev(shared), try DescriptorChardev(shared)]
    let devices = [
      try DescriptorChardev(path: "/dev/null"), try DescriptorChardev(path: "/dev/null"),
    ]
    withExtendedLifetime((both, devices)) {}
  }

  @Test(arguments: [nil, 0o640 as UInt32])
  func makesTheFileWithAMode(mode: UInt32?) throws {
    var configuration = FileConfiguration(output: directory["log"])
    configuration.mode = mode
    let file = try DescriptorChardev(configuration)
    var status = stat()
    #expect(stat(directory["log"], &status) == 0)
    #expect(status.st_mode & 0o7777 == mode ?? 0o600)
    withExtendedLifetime(file) {}
  }
}
