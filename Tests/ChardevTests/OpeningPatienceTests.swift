import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// What opening backends waits for, and for how long at most.
@Suite(.timeLimit(.minutes(1)))
struct OpeningPatienceTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Another program's lock on the directory, for as long as it lives.
  private func lock() throws -> FileDescriptor {
    let number = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    let descriptor = FileDescriptor(owning: number)
    try systemCall("flock") { flock(number, LOCK_EX) }
    return descriptor
  }

  @Test("A lock that is never given up costs all sockets of a machine together no more than one")
  func waitsForLocksOnce() throws {
    let lock = try lock()
    for patience in [OpeningPatience.atStart(), .brief()] {
      let before = patience.forLocks
      let opener = ChardevOpener(patience: patience)
      var chardevs: [any Chardev] = []
      for name in ["a", "b", "c"] {
        chardevs.append(try opener.open(.unixSocketServer(path: directory[name])))
        #expect(patience.forLocks < before / 2)
      }
      let terminal = try opener.open(
        ChardevConfiguration(.pseudoTerminal(link: directory["tty"])))
      chardevs.append(terminal)
      for chardev in chardevs { chardev.stop() }
    }
    withExtendedLifetime(lock) {}
  }

  @Test func aFreeLockCostsNothing() throws {
    let patience = OpeningPatience.brief()
    let chardev = try ChardevOpener(patience: patience).open(
      .unixSocketServer(path: directory["a"]))
    #expect(patience.forLocks > 50)
    chardev.stop()
  }

  @Test("While the machine runs, a name server that does not answer is waited for as briefly")
  func waitsBrieflyForNames() throws {
    let pipe = Pipe()
    let reading = pipe.reading.rawValue
    let start = monotonicSeconds()
    for _ in 0..<12 {
      let error = #expect(throws: ChardevError.self) {
        try AddressResolver.resolve(
          host: "name", port: 1, type: Int32(SOCK_STREAM.rawValue), patience: .brief()
        ) { _, _, flags in
          if flags != 0 { return .init(result: EAI_NONAME) }
          // Until the test ends.
          var byte: UInt8 = 0
          _ = read(reading, &byte, 1)
          return .init(result: EAI_AGAIN)
        }
      }
      #expect(error?.description.contains("is found in time; give its address") == true)
    }
    #expect(monotonicSeconds() - start < 5)
    let quick = try AddressResolver.resolve(
      host: "127.0.0.1", port: 7, type: Int32(SOCK_STREAM.rawValue), patience: .brief())
    #expect(quick.map(\.text) == ["127.0.0.1:7"])
    pipe.put("one byte for each thread")
    // The threads have ended, and others find their place.
    #expect(
      waitUntil {
        let answer = try? AddressResolver.resolve(
          host: "name", port: 7, type: Int32(SOCK_STREAM.rawValue), patience: .brief()
        ) { _, _, flags in
          flags != 0
            ? .init(result: EAI_NONAME) : .init(result: 0, addresses: [.loopback(AF_INET)])
        }
        return answer?.map(\.port) == [7]
      })
  }

  @Test("While the machine runs, peers that do not answer are waited for together, and briefly")
  func waitsForPeersOnce() throws {
    // Its queue is full, so it answers no one.
    let listener = try FileDescriptor(socketOf: AF_INET, type: Int32(SOCK_STREAM.rawValue))
    let number = listener.rawValue
    try systemCall("bind") { SocketAddress.loopback(AF_INET).withPointer { bind(number, $0, $1) } }
    try systemCall("listen") { listen(number, 0) }
    let address = try #require(SocketAddress.local(of: number))
    var crowd: [Int32] = []
    for _ in 0..<8 {
      let socket = try FileDescriptor(socketOf: AF_INET, type: Int32(SOCK_STREAM.rawValue))
      let client = socket.rawValue
      _ = address.withPointer { connect(client, $0, $1) }
      crowd.append(socket.release())
    }
    defer { for client in crowd { close(client) } }
    let patience = OpeningPatience.brief()
    for _ in 0..<3 {
      let error = #expect(throws: ChardevError.self) {
        try ChardevOpener(patience: patience).open(
          ChardevConfiguration(
            .socket(
              SocketConfiguration(
                .tcp(host: "127.0.0.1", port: address.port), role: .connecting()))))
      }
      #expect(error?.description.contains("give reconnect=") == true)
      #expect(patience.forPeers == 0)
    }
  }
}
