import CKVM
import Glibc
import Host
import Synchronization
import TestSupport
import Testing

@testable import Chardev

/// H10: what may be at the path already, and what becomes of it.
@Suite struct SocketPathTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func expectFailure(_ expected: SocketPathError, at path: String) {
    #expect(throws: expected) { _ = try SocketChardev(path: path) }
  }

  @Test func makesTheSocketAndRemovesItAtStop() throws {
    let path = directory["port0"]
    let server = try SocketChardev(path: path)
    #expect(directory.entries == ["port0"])
    server.stop()
    #expect(directory.entries == [])
  }

  @Test func removesTheSocketAtTheEndOfItsLife() throws {
    do {
      let server = try SocketChardev(path: directory["port0"])
      #expect(directory.entries == ["port0"])
      withExtendedLifetime(server) {}
    }
    #expect(directory.entries == [])
  }

  @Test func replacesAStaleSocket() throws {
    let path = directory["port0"]
    try directory.makeSocket("port0")
    let server = try SocketChardev(path: path)
    #expect(SocketClient(at: path) != nil)
    server.stop()
    #expect(directory.entries == [])
  }

  @Test func leavesALiveSocketAlone() throws {
    let socket = try ServedSocket()
    expectFailure(.inUse(path: socket.path), at: socket.path)
    let client = try socket.connect()
    #expect(socket.frontEnd.write("alive") == .transferred(5))
    #expect(client.receiveText() == "alive")
  }

  @Test func leavesALiveSocketAloneThatIsTooBusyToAnswer() throws {
    let path = directory["busy"]
    let busy = try listen(at: path, backlog: 0)
    var clients: [SocketClient] = []
    clients += [SocketClient(at: path)].compactMap { $0 }
    expectFailure(.inUse(path: path), at: path)
    #expect(isOpen(busy.rawValue))
    #expect(directory.entries == ["busy"])
    #expect(clients.count == 1)
  }

  @Test func leavesADatagramSocketAlone() throws {
    let path = directory["datagram"]
    let number = Glibc.socket(
      AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(number) }
    #expect(try SocketPath(path).withAddress { bind(number, $0, $1) } == 0)
    expectFailure(.inUse(path: path), at: path)
    #expect(directory.entries == ["datagram"])
  }

  @Test func leavesEveryOtherKindOfFileAlone() throws {
    close(open(directory["file"], O_WRONLY | O_CREAT, 0o600))
    mkdir(directory["directory"], 0o700)
    mkfifo(directory["pipe"], 0o600)
    symlink("nowhere", directory["dangling"])
    try directory.makeSocket("stale")
    symlink("stale", directory["link"])
    let before = directory.entries
    for (name, found) in [
      ("file", "a regular file"), ("directory", "a directory"), ("pipe", "a named pipe"),
      ("dangling", "a symbolic link"), ("link", "a symbolic link"),
    ] {
      let path = directory[name]
      expectFailure(.notASocket(path: path, found: found), at: path)
    }
    expectFailure(.notASocket(path: "/dev/null", found: "a device"), at: "/dev/null")
    #expect(directory.entries == before)
  }

  @Test func namesAMissingDirectory() {
    let missing = directory["missing"]
    expectFailure(
      .missingDirectory(path: "\(missing)/port0", directory: missing), at: "\(missing)/port0")
    #expect(directory.entries == [])
  }

  @Test func namesADirectoryThatIsNone() {
    let file = directory["file"]
    close(open(file, O_WRONLY | O_CREAT, 0o600))
    expectFailure(.notADirectory(path: "\(file)/port0", directory: file), at: "\(file)/port0")
  }

  @Test func refusesPathsThatNoSocketCanHave() {
    expectFailure(.empty, at: "")
    expectFailure(.containsNUL(path: "/tmp/a\0b"), at: "/tmp/a\0b")
    let tooLong = directory[String(repeating: "x", count: 107 - directory.path.utf8.count)]
    #expect(tooLong.utf8.count == 108)
    expectFailure(.tooLong(path: tooLong, byteCount: 108), at: tooLong)
    #expect(directory.entries == [])
  }

  @Test func takesAPathOf107Bytes() throws {
    let name = String(repeating: "x", count: 106 - directory.path.utf8.count)
    let path = directory[name]
    #expect(path.utf8.count == 107)
    let server = try SocketChardev(path: path)
    #expect(directory.entries == [name])
    #expect(SocketClient(at: path) != nil)
    server.stop()
  }

  /// In a process of its own, which may give up being root.
  @Test func saysSoWhereItHasNoPermission() async {
    await #expect(processExitsWith: .exitCode(0)) {
      exit(isPermissionMissed() ? 0 : 1)
    }
  }

  @Test func removesOnlyItsOwnSocket() throws {
    let path = directory["port0"]
    let server = try SocketChardev(path: path)
    unlink(path)
    let successor = try listen(at: path, backlog: 1)
    server.stop()
    #expect(directory.entries == ["port0"])
    #expect(SocketClient(at: path) != nil)
    #expect(isOpen(successor.rawValue))
  }

  @Test func doesNotMindASocketThatIsGoneAlready() throws {
    let path = directory["port0"]
    let server = try SocketChardev(path: path)
    unlink(path)
    server.stop()
    #expect(directory.entries == [])
  }

  /// Several start on one stale socket at the same time: one gets it, and keeps it. Stale from the
  /// beginning: a closed listener may live on for a moment in a process that another test starts.
  @Test func oneOfManyTakesOverAStaleSocket() throws {
    let path = directory["port0"]
    for _ in 0..<20 {
      try directory.makeSocket("port0")
      let race = Race()
      let threads = try (0..<4).map { _ in
        try Racer {
          while !race.isOpen.load(ordering: .acquiring) {}
          let server = try? SocketChardev(path: path)
          race.arrived.signal()
          while race.mayEnd.load(ordering: .acquiring) == false { usleep(100) }
          server?.stop()
          if server != nil { race.winners.add(1, ordering: .relaxed) }
        }
      }
      race.isOpen.store(true, ordering: .releasing)
      var arrived: UInt64 = 0
      while arrived < 4 { arrived += race.arrived.drain() }
      #expect(SocketClient(at: path) != nil)
      race.mayEnd.store(true, ordering: .releasing)
      for thread in threads { thread.join() }
      #expect(race.winners.load(ordering: .relaxed) == 1)
      #expect(directory.entries == [])
    }
  }

  @Test func everyErrorSaysWhatIsWrongAndWhatHelps() {
    let errors: [SocketPathError] = [
      .empty, .containsNUL(path: "p"), .tooLong(path: "p", byteCount: 108),
      .missingDirectory(path: "p", directory: "d"), .notADirectory(path: "p", directory: "d"),
      .notASocket(path: "p", found: "a directory"), .inUse(path: "p"),
      .permissionDenied(path: "p", directory: "d"),
      .accessNotGiven(path: "p", attempt: "set its mode", SystemError("chmod", errno: EPERM)),
      .failed(path: "p", SystemError("bind", errno: ENOMEM)),
    ]
    for error in errors {
      let parts = error.description.split(separator: ";")
      #expect(parts.count == 2, "\(error)")
      #expect(!error.description.contains("\n"))
    }
  }

  private final class Race: Sendable {
    let isOpen = Atomic(false)
    let mayEnd = Atomic(false)
    let winners = Atomic(0)
    let arrived: EventFD

    init() {
      guard let event = try? EventFD() else { fatalError("eventfd") }
      arrived = event
    }
  }

  private final class Racer {
    private var thread: Thread?

    init(_ body: @escaping @Sendable () -> Void) throws {
      thread = try Thread(name: "racer") { body() }
    }

    func join() {
      thread.take()?.join()
    }
  }

  private func listen(at path: String, backlog: Int32) throws -> FileDescriptor {
    let number = Glibc.socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    #expect(try SocketPath(path).withAddress { bind(number, $0, $1) } == 0)
    #expect(Glibc.listen(number, backlog) == 0)
    return FileDescriptor(owning: number)
  }
}

/// Whether a directory that may not be written to gives the right error.
private func isPermissionMissed() -> Bool {
  guard let directory = try? TemporaryDirectory() else { return false }
  chmod(directory.path, 0o555)
  return isPermissionMissed(in: directory.path)
}

private func isPermissionMissed(in directory: String) -> Bool {
  // Root may write anywhere; other users may not.
  if geteuid() == 0 { seteuid(65534) }
  defer { seteuid(getuid()) }
  let path = "\(directory)/port0"
  do throws(SocketPathError) {
    _ = try SocketChardev(path: path)
    return false
  } catch {
    return error == .permissionDenied(path: path, directory: directory)
  }
}
