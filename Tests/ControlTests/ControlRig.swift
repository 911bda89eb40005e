import Chardev
import Glibc
import Host
import TestSupport

@testable import Control

/// A control server on a loop that the test turns, and clients in the same thread.
final class ControlRig {
  let directory: TemporaryDirectory
  let loop: EventLoop
  let machine = FakeMachine()
  let server: ControlServer
  let socket: ServiceSocket

  /// - Parameters:
  ///   - opensHost: whether clients have the right to open things on the host.
  ///   - users: those served beside this process's own.
  ///   - mode: the permissions of the socket's file.
  ///   - address: where clients come; a Unix socket's file unless given.
  init(
    opensHost: Bool = true, users: [UInt32] = [], mode: UInt32? = nil,
    address: SocketConfiguration.Address? = nil
  ) throws {
    directory = try TemporaryDirectory()
    chmod(directory.path, 0o755)
    loop = try EventLoop()
    var configuration = SocketConfiguration(address ?? .unix(path: directory["qmp"]))
    configuration.access.mode = mode
    socket = try ServiceSocket(configuration, users: users)
    server = ControlServer(
      listeners: [ControlListener(socket, opensHost: opensHost)], machine: machine,
      version: (1, 2, 3))
    try server.start(on: loop)
  }

  /// A client that has said nothing yet.
  func connect() throws -> RigClient {
    RigClient(try SocketClient(directory["qmp"]), rig: self)
  }

  /// A client that has negotiated.
  func ready() throws -> RigClient {
    let client = try connect()
    _ = client.line()
    _ = client.ask(#"{"execute":"qmp_capabilities"}"#)
    return client
  }

  /// Turns the loop until something is the case.
  func turn(_ condition: () -> Bool) -> Bool {
    waitUntil {
      loop.turn(timeoutMilliseconds: 0)
      return condition()
    }
  }
}

extension ControlRig {
  /// Lets the server do all that it has been given, which a Unix socket brings at once.
  func settle() { for _ in 0..<10 { loop.turn(timeoutMilliseconds: 0) } }
}

/// A client whose waiting keeps the server going.
final class RigClient {
  let socket: SocketClient
  private let rig: ControlRig
  private var received: [UInt8] = []
  /// Descriptors that have come with replies.
  private(set) var descriptors: [Int32] = []
  private(set) var isAtEnd = false

  init(_ socket: SocketClient, rig: ControlRig) {
    self.socket = socket
    self.rig = rig
  }

  deinit { for descriptor in descriptors { close(descriptor) } }

  /// Sends a text, and returns the next line.
  func ask(_ text: String) -> String? {
    send(text)
    return line()
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// Sends all, however slowly it is taken.
  func send(_ bytes: [UInt8]) {
    var rest = bytes[...]
    _ = rig.turn {
      rest = rest.dropFirst(socket.sendWhatFits(Array(rest.prefix(65536))))
      return rest.isEmpty
    }
  }

  /// The next line; nil at the end, or where none comes.
  func line() -> String? {
    var line: String?
    _ = rig.turn {
      receive()
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        line = String(decoding: received[..<end].filter { $0 != 0x0d }, as: UTF8.self)
        received.removeSubrange(...end)
      }
      return line != nil || isAtEnd
    }
    return line
  }

  /// Whether the server closes the connection.
  func isClosed() -> Bool {
    rig.turn {
      receive()
      return isAtEnd
    }
  }

  /// Sends a text with a descriptor.
  func send(_ text: String, with descriptor: Int32) {
    let connection = ControlConnection(FileDescriptor(owning: dup(socket.descriptor)))
    _ = connection.send(Array(text.utf8)[...], descriptor: descriptor)
  }

  private func receive() {
    let connection = ControlConnection(FileDescriptor(owning: dup(socket.descriptor)))
    withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { room in
      let receipt = connection.receive(into: room) { descriptors.append($0.release()) }
      switch receipt {
      case .bytes(let count): received += room.prefix(count)
      case .wouldBlock: break
      case .end, .failed: isAtEnd = true
      }
    }
  }
}

/// A suite of tests of commands.
protocol CommandSuite {
  /// One that has negotiated.
  var client: RigClient { get }
}

extension CommandSuite {
  /// A command's reply without the frame around it; an error begins with an exclamation mark.
  func ask(_ command: String, _ arguments: String = "{}") -> String {
    let reply =
      client.ask(#"{"execute":"\#(command)","arguments":\#(arguments)}"#) ?? "nothing"
    for (frame, mark) in [(#"{"return": "#, ""), (#"{"error": {"class": ""#, "!")]
    where reply.hasPrefix(frame) {
      let body = reply.dropFirst(frame.count).dropLast(mark.isEmpty ? 1 : 3)
      return mark + body.replacing(#"", "desc": ""#, with: ": ")
    }
    return reply
  }

  /// The reply to chardev-add with the id `c`.
  func add(_ type: String, _ data: String) -> String {
    ask("chardev-add", #"{"id":"c","backend":{"type":"\#(type)","data":\#(data)}}"#)
  }
}

/// Does something as another user, whom the kernel remembers of sockets that listen or connect
/// then. For processes of root's with nothing else to do.
func asUser<Value>(_ user: uid_t, _ body: () throws -> Value) rethrows -> Value {
  seteuid(user)
  defer { seteuid(0) }
  return try body()
}
