import CKVM
import Chardev
import Control
import Glibc
import Host

/// A conversation with a running machine over its control socket, one command at a time. Waits.
final class ControlSession {
  /// How long a machine may take for what it does at once.
  private static let patienceMilliseconds: Int32 = 30_000

  private let connection: ControlConnection
  private var framer: JSONFramer
  private var passed: [Int32] = []

  init(path: String) throws(ControlError) {
    connection = ControlConnection(try Self.connect(to: path))
    framer = JSONFramer(sizeLimit: 64 << 20)
    let greeting = try next(patience: Self.patienceMilliseconds)
    guard greeting["QMP"] != nil else {
      let problem = greeting["error"]?["desc"]?.text
      throw ControlError(problem ?? "\(path) is no control socket")
    }
    try execute("qmp_capabilities")
  }

  deinit { for descriptor in passed { close(descriptor) } }

  /// Gives a command and waits for its reply.
  ///
  /// - Parameter waits: whether the reply may take as long as it likes.
  @discardableResult
  func execute(
    _ command: String, _ arguments: JSONValue = [:], waits: Bool = false
  ) throws(ControlError) -> JSONValue {
    let request: JSONValue = ["execute": .string(command), "arguments": arguments]
    try send(Array(request.printed.utf8))
    while true {
      let message = try next(patience: waits ? -1 : Self.patienceMilliseconds)
      if let value = message["return"] { return value }
      if let problem = message["error"]?["desc"]?.text { throw ControlError(problem) }
    }
  }

  /// The descriptor that came with the last reply.
  func takeDescriptor() -> FileDescriptor? { passed.popLast().map { FileDescriptor(owning: $0) } }

  private func send(_ bytes: [UInt8]) throws(ControlError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let count = connection.send(rest, descriptor: nil) else { throw Self.gone }
      rest = rest.dropFirst(count)
      if count == 0 { try wait(Int16(POLLOUT), patience: Self.patienceMilliseconds) }
    }
  }

  private func next(patience: Int32) throws(ControlError) -> JSONValue {
    while true {
      switch framer.next() {
      case .object(let bytes):
        guard let value = try? JSONParser.parse(bytes, countLimit: .max) else { throw Self.gone }
        return value
      case .broken, .foreign: throw ControlError("this is no control socket")
      case nil: try wait(Int16(POLLIN), patience: patience)
      }
      try receive()
    }
  }

  private func receive() throws(ControlError) {
    switch connection.receive(limit: 64 << 10, passed: { passed.append($0.release()) }) {
    case .bytes(let bytes): framer.append(bytes)
    case .wouldBlock: break
    case .end, .failed: throw Self.gone
    }
  }

  private func wait(_ events: Int16, patience: Int32) throws(ControlError) {
    var status = pollfd(fd: connection.number, events: events, revents: 0)
    let count = poll(&status, 1, patience)
    if count == 0 { throw ControlError("the machine does not answer") }
  }

  private static let gone = ControlError("the machine has ended")

  /// Whether a machine listens at a path, even one that is too busy to answer.
  static func isListening(at path: String) -> Bool {
    do throws(SystemError) {
      _ = try socket(connectedTo: path, patienceSeconds: 1)
      return true
    } catch {
      return error.errno == EAGAIN
    }
  }

  private static func connect(to path: String) throws(ControlError) -> FileDescriptor {
    guard isPossible(path) else { throw ControlError("\(path): no socket can have this path") }
    do throws(SystemError) {
      return try socket(connectedTo: path, patienceSeconds: Int(patienceMilliseconds / 1000))
    } catch {
      guard error.errno != EAGAIN else { throw ControlError("the machine does not answer") }
      throw ControlError("\(path): \(error.reason); is the machine running?")
    }
  }

  /// Whether a socket can have this path.
  static func isPossible(_ path: String) -> Bool { (try? SocketPath(path)) != nil }

  /// `EAGAIN` where so many clients wait that no more may within the time.
  private static func socket(
    connectedTo path: String, patienceSeconds: Int
  ) throws(SystemError) -> FileDescriptor {
    guard let place = try? SocketPath(path) else {
      throw SystemError("connect", errno: ENAMETOOLONG)
    }
    let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    let socket = FileDescriptor(
      owning: try systemCall("socket") { Glibc.socket(AF_UNIX, flags, 0) })
    let number = socket.rawValue
    var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
    setsockopt(
      number, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    try systemCall("connect") { place.withAddress { Glibc.connect(number, $0, $1) } }
    return socket
  }
}
