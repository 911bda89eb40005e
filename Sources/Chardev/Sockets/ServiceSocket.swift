import Glibc
import Host

/// A listening socket whose clients somebody else than a port serves.
package final class ServiceSocket {
  private let socket: ListeningSocket
  private let peers: PeerRule

  /// Listens, so that clients may connect from now on.
  package init(_ configuration: SocketConfiguration) throws(ChardevError) {
    socket = try SocketOpener(configuration).listen()
    peers = PeerRule(
      users: configuration.access.peerUsers, groups: configuration.access.peerGroups)
  }

  /// For waiting for clients.
  package var descriptor: Int32 { socket.descriptor.rawValue }

  /// The next client that may be served, in non-blocking mode; nil for nobody.
  package func accept() throws(SystemError) -> FileDescriptor? {
    while true {
      switch socket.accept() {
      case .accepted(let client): if peers.allows(client.rawValue) { return client }
      case .nobody: return nil
      case .failed(let error): throw error
      }
    }
  }
}
