import Chardev

/// What a control socket may be: one that clients come to, without holding up the start, and that
/// keeps strangers out unless it is called insecure.
package enum ControlSocketRules {
  /// Checks the description.
  ///
  /// - Parameter path: the control socket.
  static func check(
    _ control: ControlSocketConfiguration, at path: PropertyPath
  ) throws(ConfigurationError) {
    let socket = control.socket
    let own = path.backend(isIdentified: false).socket
    func error(
      _ problem: ConfigurationError.Text, _ remedy: ConfigurationError.Text
    ) -> ConfigurationError {
      ConfigurationError(
        .conflict, at: socket.id == nil ? path : path.chardev, given: socket.id ?? "", problem,
        remedy)
    }
    guard socket.log == nil, !socket.isMultiplexed else {
      throw error("a control socket has no log and is not shared", "leave them out")
    }
    // What it is, is seen when it is taken over.
    if case .descriptor = socket.backend { return }
    guard case .socket(let configuration) = socket.backend, configuration.kind == .stream else {
      throw error("QMP is spoken on stream sockets only", "give \(path, "PATH")")
    }
    guard case .listening(let waitsForClient) = configuration.role else {
      throw error(
        "QMP clients come to the machine",
        "add \(own.isListening, "on"),\(own.waitsForClient, "off")")
    }
    guard !waitsForClient else {
      throw error("the machine does not wait for a QMP client", "add \(own.waitsForClient, "off")")
    }
    guard configuration.clients == .exclusive else {
      throw error("a control socket serves several clients at once", "leave \(own.clients) out")
    }
    guard configuration.replaySize == 0 else {
      throw error("replies are not repeated", "leave \(own.replaySize) out")
    }
    guard configuration.hasNoDelay else {
      throw error("replies go out at once", "leave \(own.hasNoDelay) out")
    }
    switch configuration.address {
    case .unix(let file): try check(control, .file, at: path, name: "unix:" + file)
    case .abstract(let name):
      try check(control, .abstractName, at: path, name: "unix:\(name),abstract=on")
    case .tcp(let host, let port, _):
      try check(control, .network, at: path, name: "tcp:\(host):\(port)")
    }
  }

  /// What may be had of a socket of this reach.
  package static func check(
    _ control: ControlSocketConfiguration, _ reach: ServiceSocket.Reach, at path: PropertyPath,
    name: String
  ) throws(ConfigurationError) {
    func error(
      _ problem: ConfigurationError.Text, _ remedy: ConfigurationError.Text
    ) -> ConfigurationError {
      ConfigurationError(.conflict, at: path, given: name, problem, remedy)
    }
    switch reach {
    case .file:
      guard !control.isInsecure else {
        throw error("\"\(path.isInsecure)\" is for TCP and abstract names", "leave it out")
      }
    case .abstractName:
      guard control.isInsecure else {
        throw error(
          "an abstract name has no permissions, and containers on this network reach it",
          "give a path, or add \(path.isInsecure, "on")")
      }
    case .network:
      guard control.isInsecure else {
        throw error(
          "every program that reaches the port could control the machine, a web page included",
          "give a path, or add \(path.isInsecure, "on")")
      }
      guard control.opensHost != true else {
        throw error(
          "clients on TCP may open nothing on the host",
          "leave \(path.opensHost) out, or give a path")
      }
      guard control.users.isEmpty, control.groups.isEmpty else {
        throw error(
          "the user of a TCP client is not known", "leave \(path.users) and \(path.groups) out")
      }
    }
  }
}
