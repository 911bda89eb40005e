import Glibc
import Host
import TestSupport
import Testing

@Suite struct ImageFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func bytes(_ file: borrowing ImageFile, _ range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    try bytes.withUnsafeMutableBytes { try file.read(at: range.lowerBound, into: $0) }
    return bytes
  }

  @Test func showsTheWholeFile() throws {
    let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
    let file = try ImageFile(path: directory.makeFile("file", bytes: content))
    #expect(file.count == 10_000)
    #expect(try bytes(file, 0..<10_000) == content)
    #expect(try bytes(file, 4095..<4098) == Array(content[4095..<4098]))
    #expect(try bytes(file, 0..<0) == [])
    try file.checkUnchanged()
  }

  @Test("A file that is cut short, written to or made longer is noticed")
  func noticesChanges() throws {
    for change in ["cut", "write", "grow"] {
      let path = try directory.makeFile(change, bytes: [UInt8](repeating: 7, count: 8192))
      var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
      #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
      let file = try ImageFile(path: path)
      switch change {
      case "cut": #expect(truncate(path, 100) == 0)
      case "grow": #expect(truncate(path, 9000) == 0)
      default:
        let writer = open(path, O_WRONLY | O_CLOEXEC)
        #expect(pwrite(writer, "x", 1, 5000) == 1)
        close(writer)
      }
      let error = ImageFileError.changed(path: path)
      if change == "cut" { #expect(throws: error) { _ = try bytes(file, 0..<8192) } }
      #expect(throws: error) { try file.checkUnchanged() }
      #expect(error.description.contains("'\(path)'"))
    }
  }

  @Test("A file whose name another has taken is read as it was")
  func outlivesItsName() throws {
    let file = try ImageFile(path: directory.makeFile("file", bytes: [1, 2, 3]))
    #expect(rename(try directory.makeFile("next", bytes: [4]), directory["file"]) == 0)
    #expect(try bytes(file, 0..<3) == [1, 2, 3])
    try file.checkUnchanged()
  }

  @Test func takesAnEmptyFile() throws {
    #expect(try ImageFile(path: directory.makeFile("empty", bytes: [])).count == 0)
  }

  @Test func refusesWhatIsNoRegularFile() throws {
    for path in ["/tmp", "/dev/null", try directory.makePipe("pipe")] {
      #expect(throws: ImageFileError.notRegularFile) { _ = try ImageFile(path: path).count }
    }
  }

  @Test func saysWhyAFileCannotBeOpened() {
    let expected = ImageFileError.system(SystemError("open", errno: ENOENT))
    #expect(throws: expected) { _ = try ImageFile(path: "/nonexistent/kernel").count }
    #expect(expected.description == "No such file or directory")
  }
}
