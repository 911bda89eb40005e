import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// A kind of socket that a chardev can listen at or connect to.
enum Endpoint: String, CaseIterable, Sendable {
  case path, abstract, packets, tcp, tcp6

  /// Those that this host has.
  static let all = allCases.filter { endpoint in
    guard endpoint == .tcp6 else { return true }
    return (try? ListeningSocket(at: .loopback(AF_INET6), type: Int32(SOCK_STREAM.rawValue))) != nil
  }

  /// Those of bytes.
  static let streams = all.filter { $0 != .packets }

  /// Those of which the two directions end apart.
  static let unixSockets = all.filter { $0 != .tcp && $0 != .tcp6 }

  var isPacketed: Bool { self == .packets }

  var type: Int32 { Int32((isPacketed ? SOCK_SEQPACKET : SOCK_STREAM).rawValue) }

  /// An address of its own.
  func address(in directory: TemporaryDirectory) -> SocketConfiguration.Address {
    switch self {
    case .path, .packets: .unix(path: directory["port0"])
    case .abstract: .abstract(name: directory["port0"])
    case .tcp: .tcp(host: "127.0.0.1", port: 0)
    case .tcp6: .tcp(host: "[::1]", port: 0)
    }
  }
}

/// A listening chardev of any kind with its front end, its loop and its clients.
final class ServedEndpoint {
  let directory: TemporaryDirectory
  let loop: EventLoop
  let chardev: any Chardev
  let frontEnd: RecordingFrontEnd
  let endpoint: Endpoint
  private var clients: [SocketClient] = []

  init(
    _ endpoint: Endpoint, starts: Bool = true,
    _ change: (inout SocketConfiguration) -> Void = { _ in }
  ) throws {
    self.endpoint = endpoint
    loop = try EventLoop()
    directory = try TemporaryDirectory()
    var configuration = SocketConfiguration(endpoint.address(in: directory))
    if endpoint.isPacketed { configuration.kind = .seqpacket }
    change(&configuration)
    chardev = try ChardevOpener().open(ChardevConfiguration(.socket(configuration)))
    frontEnd = RecordingFrontEnd(chardev)
    if starts { try chardev.start(on: loop) }
  }

  deinit { chardev.stop() }

  /// Where it listens.
  var address: SocketAddress {
    get throws {
      switch endpoint {
      case .path, .packets: return SocketAddress(try SocketPath(directory["port0"]))
      case .abstract: return try SocketAddress(abstractName: directory["port0"])
      case .tcp, .tcp6:
        let text = chardev.filename.prefix { $0 != "," }
        let port = try #require(text.split(separator: ":").last.flatMap { UInt16($0) })
        return .loopback(endpoint == .tcp6 ? AF_INET6 : AF_INET).withPort(port)
      }
    }
  }

  /// Connects a client, and lets the chardev take notice.
  func connect() throws -> SocketClient {
    let client = try connectUnnoticed()
    loop.settle()
    return client
  }

  func connectUnnoticed() throws -> SocketClient {
    let client = try #require(SocketClient(at: try address, type: endpoint.type))
    clients.append(client)
    return client
  }

  var counters: SocketCounters {
    (chardev as? SocketChardev)?.counters ?? (chardev as? HubChardev)?.counters
      ?? SocketCounters()
  }

  /// Turns until the front end has had these events.
  func hears(_ events: [RecordingFrontEnd.Event]) -> Bool {
    loop.turn { frontEnd.events == events }
  }
}
