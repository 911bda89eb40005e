import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct FileRotationTests {
  private let directory: TemporaryDirectory
  private let loop: EventLoop

  init() throws {
    directory = try TemporaryDirectory()
    loop = try EventLoop()
  }

  private func open(
    size: UInt64 = 4096, count: Int = 2, appends: Bool = false
  ) throws -> RecordingFrontEnd {
    let rotation = FileConfiguration.Rotation(size: size, count: count)
    return RecordingFrontEnd(
      try DescriptorChardev(
        FileConfiguration(output: directory["log"], appends: appends, rotation: rotation)))
  }

  /// Bytes of which each few are different.
  private func bytes(_ range: Range<Int>) -> [UInt8] {
    range.map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) }
  }

  private func size(_ name: String) -> Int {
    var status = stat()
    return stat(directory[name], &status) == 0 ? status.st_size : -1
  }

  /// Without printing thousands of bytes.
  private func expectSame(
    _ left: [UInt8], _ right: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let isSame = left == right
    #expect(isSame, "\(left.count) bytes, \(right.count) bytes", sourceLocation: sourceLocation)
  }

  private func content(_ name: String) -> [UInt8] {
    guard let file = fopen(directory[name], "r") else { return [] }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&buffer, 1, buffer.count, file)
    return Array(buffer.prefix(count))
  }

  @Test func losesNoByteBetweenFiles() throws {
    let frontEnd = try open()
    let sent = bytes(0..<10_000)
    for start in stride(from: 0, to: sent.count, by: 1000) {
      #expect(frontEnd.write(sent[start..<(start + 1000)]) == .transferred(1000))
    }
    #expect(directory.entries == ["log", "log.1", "log.2"])
    #expect([size("log.2"), size("log.1"), size("log")] == [4096, 4096, 1808])
    expectSame(content("log.2") + content("log.1") + content("log"), sent)
  }

  @Test func writesOneLongWriteToManyFiles() throws {
    let frontEnd = try open(count: 3)
    let sent = bytes(0..<(6 * 4096 + 10))
    #expect(frontEnd.write(sent) == .transferred(sent.count))
    #expect(directory.entries == ["log", "log.1", "log.2", "log.3"])
    let kept = content("log.3") + content("log.2") + content("log.1") + content("log")
    expectSame(kept, Array(sent.suffix(3 * 4096 + 10)))
  }

  @Test func countsWhatAnAppendedFileHolds() throws {
    try directory.makeFile("log", bytes: bytes(0..<4000))
    let frontEnd = try open(appends: true)
    frontEnd.write(bytes(4000..<4200))
    #expect([size("log.1"), size("log")] == [4096, 104])
    expectSame(content("log.1") + content("log"), bytes(0..<4200))
  }

  @Test func doesNotMoveAFileThatAnotherHasMoved() throws {
    let frontEnd = try open()
    frontEnd.write(bytes(0..<4000))
    #expect(rename(directory["log"], directory["elsewhere"]) == 0)
    try directory.makeFile("log", bytes: [0xaa])
    frontEnd.write(bytes(4000..<4200))
    #expect(directory.entries == ["elsewhere", "log"])
    expectSame(content("elsewhere"), bytes(0..<4096))
    expectSame(content("log"), [0xaa] + bytes(4096..<4200))
  }

  @Test func startsOverWithAnEmptiedFile() throws {
    let frontEnd = try open()
    frontEnd.write(bytes(0..<4000))
    truncate(directory["log"], 0)
    frontEnd.write(bytes(0..<4096))
    #expect(directory.entries == ["log"])
    #expect(size("log") == 4096)
  }

  /// Nothing is lost where a file cannot be moved: here a directory is in its way.
  @Test func goesOnWhereTheFileCannotBeMoved() throws {
    try directory.makeDirectory("log.1/full")
    let frontEnd = try open(count: 1)
    let sent = bytes(0..<9000)
    #expect(frontEnd.write(sent) == .transferred(9000))
    expectSame(content("log"), sent)
    #expect(rmdir(directory["log.1/full"]) == 0 && rmdir(directory["log.1"]) == 0)
    frontEnd.write(bytes(9000..<13_000))
    #expect(directory.entries == ["log", "log.1"])
    expectSame(content("log.1") + content("log"), bytes(0..<13_000))
  }

  @Test(arguments: [(4095 as UInt64, 1), (0, 1), (4096, 0), (4096, -1), (4096, 101)])
  func refusesLimitsThatMakeNoSense(_ size: UInt64, _ count: Int) {
    let error = #expect(throws: ChardevError.self) { try open(size: size, count: count) }
    #expect(error?.description.contains("give") == true)
  }

  @Test func refusesToMoveADevice() {
    let rotation = FileConfiguration.Rotation(size: 4096)
    let error = #expect(throws: ChardevError.self) {
      try DescriptorChardev(FileConfiguration(output: "/dev/null", rotation: rotation))
    }
    #expect(error?.description.contains("'/dev/null'") == true)
  }

  @Test("Whatever is put in the file's place while it is moved is neither written to nor emptied")
  func isNotLedElsewhere() throws {
    let victim = try directory.makeFile("victim", bytes: [1])
    let (log, hasEnded) = (directory["log"], Counter())
    let frontEnd = try open(count: 1)
    let thread = startThread {
      while hasEnded.value == 0 {
        if symlink(victim, log) == 0 { unlink(log) }
      }
    }
    for _ in 0..<3000 { frontEnd.write([UInt8](repeating: 120, count: 4096)) }
    hasEnded.add(1)
    pthread_join(thread, nil)
    expectSame(content("victim"), [1])
  }

  @Test func keepsTheFilesPermissions() throws {
    try directory.makeFile("log", mode: 0o640)
    let frontEnd = try open()
    frontEnd.write(bytes(0..<5000))
    var status = stat()
    #expect(stat(directory["log"], &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o640)
  }
}
