import Glibc
import Host

/// A listening socket whose clients somebody else than a port serves, and may take descriptors from.
package final class ServiceSocket {
  private let socket: ListeningSocket
  private let peers: PeerRule

  /// Listens, so that clients may connect from now on.
  package init(
    _ configuration: SocketConfiguration, patience: OpeningPatience = .atStart()
  ) throws(ChardevError) {
    socket = try SocketOpener(configuration, patience: patience).listen(takesDescriptors: true)
    peers = PeerRule(
      users: configuration.access.peerUsers, groups: configuration.access.peerGroups)
  }

  /// Takes an inherited stream socket over, which has to listen.
  package init(_ source: DescriptorSource) throws(ChardevError) {
    let inherited = try DescriptorOpener(source).take()
    guard case .listeningSocket(isPacketed: false) = inherited.kind else {
      throw ChardevError("this descriptor is no stream socket that listens; give one that does")
    }
    socket = ListeningSocket(adopting: inherited.descriptor)
    peers = PeerRule(users: nil, groups: nil)
  }

  /// For waiting for clients.
  package var descriptor: Int32 { socket.descriptor.rawValue }

  /// The next client that may be served, in non-blocking mode; nil for nobody.
  package func accept() throws(SystemError) -> FileDescriptor? {
    while true {
      switch socket.accept() {
      case .accepted(let client):
        guard peers.allows(client.rawValue) else { continue }
        client.prepareSocket(socket.address, hasNoDelay: true, isPacketed: false)
        return client
      case .nobody: return nil
      case .failed(let error): throw error
      }
    }
  }
}
