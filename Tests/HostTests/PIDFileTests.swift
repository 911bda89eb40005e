import Glibc
import Host
import TestSupport
import Testing

@Suite
struct PIDFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Whether a file can be made at this name; it is released at once.
  private func problem(_ name: String) -> PIDFileError? {
    do throws(PIDFileError) {
      _ = try PIDFile(path: directory[name])
      return nil
    } catch {
      return error
    }
  }

  @Test func holdsTheNumberWhileItLives() throws {
    do {
      let file = try PIDFile(path: directory["pid"])
      #expect(directory.text(of: "pid") == "\(getpid())\n")
      withExtendedLifetime(file) {}
    }
    #expect(directory.entries == [])
  }

  @Test func belongsToOne() throws {
    let file = try PIDFile(path: directory["pid"])
    #expect(problem("pid") == .inUse)
    #expect(directory.text(of: "pid") == "\(getpid())\n")
    withExtendedLifetime(file) {}
  }

  @Test func takesOverOneWhoseProcessHasEnded() throws {
    try directory.makeFile("pid", bytes: Array("4194305000000\n".utf8))
    let file = try PIDFile(path: directory["pid"])
    #expect(directory.text(of: "pid") == "\(getpid())\n")
    withExtendedLifetime(file) {}
  }

  @Test("Readers may lock the file as they like; a writer's lock says that it is held")
  func startsWhileReadersLock() throws {
    try directory.makeFile("pid", bytes: Array("4194305\n".utf8))
    let reader = open(directory["pid"], O_RDONLY | O_CLOEXEC)
    defer { close(reader) }
    #expect(flock(reader, LOCK_EX | LOCK_NB) == 0)
    #expect(problem("pid") == nil)
    try directory.makeFile("pid", bytes: Array("4194305\n".utf8))
    let other = open(directory["pid"], O_RDONLY | O_CLOEXEC)
    defer { close(other) }
    var lock = flock()
    lock.l_type = Int16(F_RDLCK)
    let setOpenFileLock: Int32 = 37  // F_OFD_SETLK, which Swift does not import
    #expect(fcntl(other, setOpenFileLock, &lock) == 0)
    let file = try PIDFile(path: directory["pid"])
    #expect(directory.text(of: "pid") == "\(getpid())\n")
    #expect(problem("pid") == .inUse)
    withExtendedLifetime(file) {}
  }

  @Test func isReadByItsUserAlone() throws {
    let file = try PIDFile(path: directory["pid"])
    var status = stat()
    #expect(stat(directory["pid"], &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o600)
    withExtendedLifetime(file) {}
  }

  @Test func leavesEverythingElseAlone() throws {
    let text = "a kernel, say"
    try directory.makeFile("file", bytes: Array(text.utf8))
    try directory.makeFile("long", bytes: [UInt8](repeating: UInt8(ascii: "1"), count: 100))
    try directory.makePipe("pipe")
    for name in ["file", "long", "pipe"] { #expect(problem(name) == .notAPIDFile) }
    #expect(directory.text(of: "file") == text)
    #expect(directory.entries == ["file", "long", "pipe"])
  }

  @Test func tellsWhatTheHostRefuses() {
    guard case .refused(.system(let error)) = problem("none/pid") else {
      Issue.record("made a file without a directory")
      return
    }
    #expect(error.errno == ENOENT)
  }

  @Test("A file that another process has put in its place stays")
  func removesItsOwnOnly() throws {
    do {
      let file = try PIDFile(path: directory["pid"])
      #expect(unlink(directory["pid"]) == 0)
      try directory.makeFile("pid")
      withExtendedLifetime(file) {}
    }
    #expect(directory.entries == ["pid"])
  }
}
