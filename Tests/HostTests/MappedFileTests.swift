import Glibc
import Host
import Testing

@Suite struct MappedFileTests {
  private func withFile(_ content: [UInt8], _ body: (String) throws -> Void) throws {
    var template = Array("/tmp/swiftvm-mapped-XXXXXX".utf8CString)
    let file = FileDescriptor(owning: mkstemp(&template))
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(path) }
    #expect(write(file.rawValue, content, content.count) == content.count)
    try body(path)
  }

  @Test func showsTheWholeFile() throws {
    let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
    try withFile(content) { path in
      let file = try MappedFile(path: path)
      #expect(Array(file.bytes) == content)
    }
  }

  @Test func contentComesBackAfterItsPagesWereReleased() throws {
    let content = [UInt8](repeating: 7, count: 1 << 20)
    try withFile(content) { path in
      let file = try MappedFile(path: path)
      #expect(Array(file.bytes) == content)
      #expect(residentKibibytes(of: path) == 1024)
      file.releasePages()
      #expect(residentKibibytes(of: path) == 0)
      #expect(Array(file.bytes) == content)
    }
  }

  /// What this process has in memory of a mapped file, from /proc/self/smaps.
  private func residentKibibytes(of path: String) -> Int? {
    guard let maps = fopen("/proc/self/smaps", "r") else { return nil }
    defer { fclose(maps) }
    var line = [CChar](repeating: 0, count: 4096)
    var isFound = false
    while fgets(&line, Int32(line.count), maps) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if text.contains(path) { isFound = true }
      if isFound, text.hasPrefix("Rss:") {
        return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
      }
    }
    return nil
  }

  @Test func takesAnEmptyFile() throws {
    try withFile([]) { path in
      let file = try MappedFile(path: path)
      #expect(file.bytes.isEmpty)
    }
  }

  @Test func refusesWhatIsNoRegularFile() throws {
    for path in ["/tmp", "/dev/null"] {
      #expect(throws: MappedFileError.notRegularFile) { _ = try MappedFile(path: path).bytes.count }
    }
  }

  @Test func refusesAPipeWithoutWaitingForAWriter() throws {
    let path = "/tmp/swiftvm-fifo-\(getpid())"
    #expect(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    #expect(throws: MappedFileError.notRegularFile) { _ = try MappedFile(path: path).bytes.count }
  }

  @Test func saysWhyAFileCannotBeOpened() {
    let expected = MappedFileError.system(SystemError("open", errno: ENOENT))
    #expect(throws: expected) { _ = try MappedFile(path: "/nonexistent/kernel").bytes.count }
    #expect(expected.description == "No such file or directory")
  }
}
