import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// `fd=N` and systemd's socket activation.
@Suite(.timeLimit(.minutes(1)))
struct InheritedDescriptorTests {
  private func open(_ number: Int32) throws -> any Chardev {
    try ChardevOpener().open(ChardevConfiguration(.descriptor(.number(number))))
  }

  /// A descriptor such as a process is started with.
  private func inheritable(_ descriptor: consuming FileDescriptor) -> Int32 {
    let number = descriptor.release()
    _ = fcntl(number, F_SETFD, 0)
    return number
  }

  private func socketPair(_ type: __socket_type) -> (ours: Int32, peer: SocketClient) {
    var pair: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(type.rawValue), 0, &pair) == 0)
    return (pair[0], SocketClient(adopting: pair[1]))
  }

  private func isCloseOnExec(_ number: Int32) -> Bool { fcntl(number, F_GETFD) & FD_CLOEXEC != 0 }

  @Test(arguments: [SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM])
  func aConnectedSocketIsServed(of type: __socket_type) throws {
    let (number, peer) = socketPair(type)
    let chardev = try open(number)
    defer { chardev.stop() }
    #expect(isCloseOnExec(number))
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    frontEnd.setWantsReadable(true)
    try chardev.start(on: loop)
    #expect(loop.turn { chardev.isConnected })
    peer.send("hello")
    #expect(loop.turn { frontEnd.text == "hello" })
    #expect(frontEnd.write("hi") == .transferred(2))
    #expect(frontEnd.write("ho") == .transferred(2))
    #expect(peer.receiveText() == (type == SOCK_STREAM ? "hiho" : "hi"))
    guard type != SOCK_DGRAM else { return }
    peer.close()
    #expect(loop.turn { frontEnd.events == [.connected, .disconnected] })
  }

  @Test func aListeningSocketIsServedAndItsPathLeft() throws {
    let directory = try TemporaryDirectory()
    let place = try SocketPath(directory["given"])
    let listener = try place.makeListener(access: SocketFileAccess())
    let number = inheritable(listener)
    let chardev = try open(number)
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    try chardev.start(on: loop)
    #expect(chardev.filename == "disconnected:unix:\(place.path),server=on")
    let client = try #require(SocketClient(at: place.path))
    #expect(loop.turn { chardev.isConnected })
    #expect(frontEnd.write("hi") == .transferred(2))
    #expect(client.receiveText() == "hi")
    chardev.stop()
    #expect(directory.entries == ["given"], "it is its maker's")
  }

  @Test func aPipeIsServedInItsDirection() throws {
    var input: [Int32] = [0, 0]
    var output: [Int32] = [0, 0]
    #expect(pipe(&input) == 0 && pipe(&output) == 0)
    let writer = FileDescriptor(owning: input[1])
    let reader = FileDescriptor(owning: output[0])
    let (source, sink) = (try open(input[0]), try open(output[1]))
    let loop = try EventLoop()
    let frontEnds = [RecordingFrontEnd(source), RecordingFrontEnd(sink)]
    for frontEnd in frontEnds {
      frontEnd.setWantsReadable(true)
      try frontEnd.chardev.start(on: loop)
    }
    #expect(write(writer.rawValue, "in", 2) == 2)
    #expect(loop.turn { frontEnds[0].text == "in" })
    #expect(frontEnds[1].write("out") == .transferred(3))
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(read(reader.rawValue, &bytes, 10) == 3)
    #expect(frontEnds[0].write("to absent") == .lost(9))
    #expect(frontEnds[1].read() == .wouldBlock)
    #expect(source.filename == "fd:\(input[0])")
    for frontEnd in frontEnds { frontEnd.chardev.stop() }
  }

  @Test func aFileIsWritten() throws {
    let directory = try TemporaryDirectory()
    let number = Glibc.open(directory["file"], O_WRONLY | O_CREAT, 0o600)
    let chardev = try open(number)
    let loop = try EventLoop()
    let frontEnd = RecordingFrontEnd(chardev)
    try chardev.start(on: loop)
    loop.settle()
    #expect(frontEnd.write("kept") == .transferred(4))
    chardev.stop()
    #expect(directory.text(of: "file") == "kept")
  }

  @Test func whatWasNotGivenIsRefused() throws {
    let (number, peer) = socketPair(SOCK_STREAM)
    _ = fcntl(number, F_SETFD, FD_CLOEXEC)
    #expect(throws: ChardevError.self) { try open(number) }
    #expect(isOpen(number), "it is another's")
    _ = fcntl(number, F_SETFD, 0)
    let chardev = try open(number)
    #expect(throws: ChardevError.self, "it is in use") { try open(number) }
    chardev.stop()
    for number: Int32 in [-1, 0, 100_000] {
      #expect(throws: ChardevError.self) { try open(number) }
    }
    let directory = inheritable(FileDescriptor(owning: Glibc.open("/", O_RDONLY)))
    #expect(throws: ChardevError.self) { try open(directory) }
    close(directory)
    let idle = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    #expect(throws: ChardevError.self) { try open(idle) }
    close(idle)
    withExtendedLifetime(peer) {}
  }

  @Test func findsWhatSystemdHasPassed() {
    let variables = [
      "LISTEN_PID": "42", "LISTEN_FDS": "4", "LISTEN_FDNAMES": "agent:console:agent",
    ]
    let activation = SocketActivation(environment: { variables[$0] }, process: 42)
    #expect(activation.numbers(of: "agent") == [3, 5])
    #expect(activation.numbers(of: "console") == [4])
    #expect(activation.numbers(of: "unknown") == [6])
    #expect(activation.numbers(of: "other") == [])
    #expect(SocketActivation(environment: { variables[$0] }, process: 43).names == [])
  }

  @Test(arguments: ["", "0", "-1", "x", "99999999999999999999", "5000"])
  func takesNoNonsenseFromTheEnvironment(count: String) {
    let activation = SocketActivation(
      environment: { $0 == "LISTEN_PID" ? "42" : $0 == "LISTEN_FDS" ? count : nil }, process: 42)
    #expect(activation.names == [])
  }

  @Test func namesWhatWasPassedWhereAnotherIsAskedFor() {
    let activation = SocketActivation(
      environment: {
        ["LISTEN_PID": "42", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "agent"][$0]
      }, process: 42)
    let error = #expect(throws: ChardevError.self) {
      _ = try DescriptorOpener(.activation(name: "other"), activation: activation).open()
    }
    #expect(error?.description.contains("it was given: agent") == true)
  }
}
