import Chardev
import Host

/// Where QMP clients come.
package final class ControlListener {
  private let socket: ServiceSocket

  /// Listens, so that clients may connect from now on.
  package init(_ configuration: SocketConfiguration) throws(ChardevError) {
    socket = try ServiceSocket(configuration)
  }

  var number: Int32 { socket.descriptor }

  /// The next client; nil for nobody.
  func accept() throws(SystemError) -> ControlConnection? {
    guard let client = try socket.accept() else { return nil }
    return ControlConnection(client)
  }
}
