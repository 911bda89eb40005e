import Chardev

/// Where QMP clients come, and what those who come there may do.
package struct ControlListener {
  /// The socket.
  let socket: ServiceSocket
  /// Whether its clients may have the machine open paths, addresses and programs on the host.
  let opensHost: Bool

  /// Serves a socket's clients.
  package init(_ socket: ServiceSocket, opensHost: Bool) {
    self.socket = socket
    self.opensHost = opensHost
  }
}
