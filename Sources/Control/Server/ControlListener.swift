import Chardev
import Host

/// Where QMP clients come.
package final class ControlListener {
  private let socket: ServiceSocket

  /// Listens, so that clients may connect from now on.
  package init(
    _ configuration: SocketConfiguration, patience: OpeningPatience = .atStart()
  ) throws(ChardevError) {
    socket = try ServiceSocket(configuration, patience: patience)
  }

  /// Takes over an inherited socket, which has to listen.
  package init(_ source: DescriptorSource) throws(ChardevError) {
    socket = try ServiceSocket(source)
  }

  var number: Int32 { socket.descriptor }

  /// The next client; nil for nobody.
  func accept() throws(SystemError) -> ControlConnection? {
    guard let client = try socket.accept() else { return nil }
    return ControlConnection(client)
  }
}
