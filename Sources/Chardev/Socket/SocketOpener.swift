import CKVM
import Glibc
import Host

/// Makes chardevs of sockets from their configurations; what cannot be had together is refused.
struct SocketOpener {
  private let socket: SocketConfiguration
  private let patience: OpeningPatience

  init(_ socket: SocketConfiguration, patience: OpeningPatience) {
    self.socket = socket
    self.patience = patience
  }

  private var isPacketed: Bool { socket.kind == .seqpacket }
  private var type: Int32 { Int32((isPacketed ? SOCK_SEQPACKET : SOCK_STREAM).rawValue) }

  /// Listens or connects; a connection that is not to be repeated is made now.
  func open() throws(ChardevError) -> any Chardev {
    try socket.check()
    switch socket.role {
    case .listening(let waitsForClient):
      let listener = SocketListener(
        try listen(), isPacketed: isPacketed, tcp: TCPOptions(socket),
        peers: PeerRule(users: socket.access.peerUsers, groups: socket.access.peerGroups),
        waitsForFirst: waitsForClient)
      return Self.serve(
        listener, socket.clients, isPacketed: isPacketed, replaySize: socket.replaySize)
    case .connecting(let reconnect?):
      let dialer = SocketDialer(
        try addresses, name: name, isPacketed: isPacketed, tcp: TCPOptions(socket),
        reconnectMilliseconds: reconnect)
      return SocketChardev(dialer, isPacketed: isPacketed)
    case .connecting(nil):
      return SocketChardev(try connect(), isPacketed: isPacketed)
    }
  }

  /// A chardev that treats further clients by the rule.
  static func serve(
    _ listener: SocketListener, _ clients: SocketConfiguration.Clients, isPacketed: Bool,
    replaySize: Int = 0
  ) -> any Chardev {
    clients == .broadcast
      ? HubChardev(clientsOf: listener, isPacketed: isPacketed, replaySize: replaySize)
      : SocketChardev(
        listener, isPacketed: isPacketed, clients: clients, replaySize: replaySize)
  }

  // MARK: Listening

  /// - Parameter takesDescriptors: whether clients may pass descriptors along.
  func listen(takesDescriptors: Bool = false) throws(ChardevError) -> ListeningSocket {
    switch socket.address {
    case .unix(let path):
      let access = try SocketFileAccess(socket.access)
      do throws(SocketPathError) {
        return try ListeningSocket(
          path: path, type: type, access: access, takesDescriptors: takesDescriptors,
          patience: patience)
      } catch {
        throw ChardevError(error.description)
      }
    case .abstract:
      return try listenAtFirstFree([try addresses], takesDescriptors)
    case .tcp(_, let port, let last):
      let hosts = try addresses
      return try listenAtFirstFree(
        (port...max(port, last ?? port)).map { port in hosts.map { $0.withPort(port) } },
        takesDescriptors)
    }
  }

  /// - Parameter ports: the addresses of each port, the second of which is tried where the host has
  ///   not the first. A port that is taken in one family is taken: clients of the other would come
  ///   here, and the rest to another process.
  private func listenAtFirstFree(
    _ ports: [[SocketAddress]], _ takesDescriptors: Bool
  ) throws(ChardevError) -> ListeningSocket {
    var failure: SystemError?
    for addresses in ports {
      for address in addresses {
        do throws(SystemError) {
          return try ListeningSocket(at: address, type: type, takesDescriptors: takesDescriptors)
        } catch {
          // What the first address says is most to the point.
          failure = error.errno == EADDRINUSE ? error : failure ?? error
          if error.errno == EADDRINUSE { break }
        }
      }
    }
    let reason = failure ?? SystemError("bind", errno: EADDRNOTAVAIL)
    throw ChardevError("\(text): \(reason.reason); \(remedy(reason.errno))")
  }

  private func remedy(_ reason: Int32) -> String {
    switch (socket.address, reason) {
    case (.tcp, EADDRINUSE): "choose another port, or a range of them with to="
    case (.tcp, EACCES): "choose a port from 1024 on"
    case (.tcp, _): "choose an address of this host"
    default: "stop the process that listens there, or choose another name"
    }
  }

  // MARK: Connecting

  private func connect() throws(ChardevError) -> PreconnectedSocket {
    let targets = try addresses
    do throws(SystemError) {
      let peer = try SocketDialer.connect(
        to: targets, isPacketed: isPacketed, tcp: TCPOptions(socket), patience: patience)
      return PreconnectedSocket(peer, name: name)
    } catch {
      throw ChardevError(
        "\(text): \(error.reason); start who listens there first, or give reconnect=")
    }
  }

  // MARK: Addresses

  /// Where to listen or to connect.
  private var addresses: [SocketAddress] {
    get throws(ChardevError) {
      switch socket.address {
      case .unix(let path):
        do throws(SocketPathError) {
          return [SocketAddress(try SocketPath(path, type: type))]
        } catch { throw ChardevError(error.description) }
      case .abstract(let name): return [try SocketAddress(abstractName: name)]
      case .tcp(let host, let port, _): return try hosts(host, port)
      }
    }
  }

  private func hosts(_ host: String, _ port: UInt16) throws(ChardevError) -> [SocketAddress] {
    guard case .listening = socket.role else {
      return try AddressResolver.resolve(
        host: host, port: port, type: type, patience: patience)
    }
    if host.isEmpty, socket.isReachableFromOutside {
      return [.wildcard(AF_INET).withPort(port), .wildcard(AF_INET6).withPort(port)]
    }
    let found = try AddressResolver.resolve(
      host: host, port: port, type: type, patience: patience)
    guard socket.isReachableFromOutside || found.allSatisfy(\.isLoopback) else {
      throw ChardevError(
        "\(text) can be reached from other machines; listen at 127.0.0.1, or give expose=on"
      )
    }
    return found
  }

  /// In QEMU's words, as configured: `unix:/tmp/port0`, `tcp:localhost:4444`.
  private var name: String {
    switch socket.address {
    case .unix(let path): "unix:\(path)"
    case .abstract(let name): "unix:\(name),abstract=on"
    case .tcp(let host, let port, _): "tcp:\(host):\(port)"
    }
  }

  private var text: String { "socket '\(name)'" }
}
