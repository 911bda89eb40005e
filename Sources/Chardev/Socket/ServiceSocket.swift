import Glibc
import Host

/// A listening socket whose clients a service of the machine's serves, such as QMP. The service may
/// take descriptors from them.
///
/// A Unix socket serves this process's user (`SO_PEERCRED`, unix(7)), the users and groups that its
/// rules name, and of an inherited one also the user who made it listen. Its file has mode 0600
/// unless another is given.
package final class ServiceSocket {
  /// From where clients come.
  package enum Reach: Sendable {
    /// Through a file, which has permissions.
    case file
    /// By a name in the abstract name space, from every container that shares this network.
    case abstractName
    /// Over TCP, from every program that reaches the address, web pages in browsers included.
    case network
  }

  /// One that has come, in non-blocking mode.
  package struct Client: ~Copyable {
    fileprivate let descriptor: FileDescriptor
    /// Whether the rules let it be served.
    package let isAllowed: Bool

    /// The connection.
    package consuming func connection() -> FileDescriptor { descriptor }
  }

  private let socket: ListeningSocket
  private let peers: PeerRule
  private let tcp: TCPOptions

  /// Listens, so that clients may connect from now on.
  ///
  /// - Parameters:
  ///   - users: those served beside this process's own and the configuration's.
  ///   - groups: those served beside the configuration's.
  package init(
    _ configuration: SocketConfiguration, users: [UInt32] = [], groups: [UInt32] = [],
    patience: OpeningPatience = .atStart()
  ) throws(ChardevError) {
    var configuration = configuration
    if case .unix = configuration.address {
      configuration.access.mode = configuration.access.mode ?? 0o600
    }
    let access = configuration.access
    socket = try SocketOpener(configuration, patience: patience).listen(takesDescriptors: true)
    peers = PeerRule(
      users: users + (access.peerUsers ?? []) + [geteuid()],
      groups: groups + (access.peerGroups ?? []))
    tcp = TCPOptions(configuration)
  }

  /// Takes an inherited stream socket over, which has to listen.
  package init(
    _ source: DescriptorSource, users: [UInt32] = [], groups: [UInt32] = []
  ) throws(ChardevError) {
    let inherited = try DescriptorOpener(source).take()
    guard case .listeningSocket(isPacketed: false) = inherited.kind else {
      throw ChardevError("this descriptor is no stream socket that listens; give one that does")
    }
    // Of a listening socket the kernel tells who called listen(2).
    let maker = PeerRule.user(of: inherited.descriptor.rawValue).map { [$0] } ?? []
    socket = ListeningSocket(adopting: inherited.descriptor)
    peers = PeerRule(users: users + maker + [geteuid()], groups: groups)
    tcp = TCPOptions()
  }

  /// For waiting for clients.
  package var descriptor: Int32 { socket.descriptor.rawValue }

  /// What it listens at, in QEMU's words.
  package var name: String {
    (socket.address.isInternet ? "tcp:" : "") + socket.address.text
  }

  /// From where clients come.
  package var reach: Reach {
    socket.address.isInternet ? .network : socket.address.isAbstract ? .abstractName : .file
  }

  /// The next client; nil where none waits.
  package func accept() throws(SystemError) -> Client? {
    switch socket.accept() {
    case .accepted(let client):
      let isAllowed = reach == .network || peers.allows(client.rawValue)
      client.prepareSocket(socket.address, tcp: tcp, isPacketed: false)
      return Client(descriptor: client, isAllowed: isAllowed)
    case .none: return nil
    case .failed(let error): throw error
    }
  }
}
