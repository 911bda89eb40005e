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
    let given = GivenValue(socket.id ?? "", at: socket.id == nil ? path : path.chardev)
    try given.require(
      socket.log == nil && !socket.isMultiplexed, else: .conflict,
      "a control socket has no log and is not shared", "leave them out")
    // What it is, is seen when it is taken over.
    if case .descriptor = socket.backend { return }
    guard case .socket(let configuration) = socket.backend, configuration.kind == .stream else {
      throw given.error(.conflict, "QMP is spoken on stream sockets only", "give \(path, "PATH")")
    }
    guard case .listening(let waitsForClient) = configuration.role else {
      throw given.error(
        .conflict, "QMP clients come to the machine",
        "add \(own.isListening, "on"),\(own.waitsForClient, "off")")
    }
    let rules: [(Bool, problem: ConfigurationError.Text, remedy: ConfigurationError.Text)] = [
      (
        !waitsForClient, "the machine does not wait for a QMP client",
        "add \(own.waitsForClient, "off")"
      ),
      (
        configuration.clients == .exclusive, "a control socket serves several clients at once",
        "leave \(own.clients) out"
      ),
      (configuration.replaySize == 0, "replies are not repeated", "leave \(own.replaySize) out"),
      (configuration.hasNoDelay, "replies go out at once", "leave \(own.hasNoDelay) out"),
    ]
    for (holds, problem, remedy) in rules {
      try given.require(holds, else: .conflict, problem, remedy)
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
    let given = GivenValue(name, at: path)
    switch reach {
    case .file:
      try given.require(
        !control.isInsecure, else: .conflict,
        "\"\(path.isInsecure)\" is for TCP and abstract names", "leave it out")
    case .abstractName:
      try given.require(
        control.isInsecure, else: .conflict,
        "an abstract name has no permissions, and containers on this network reach it",
        "give a path, or add \(path.isInsecure, "on")")
    case .network:
      try given.require(
        control.isInsecure, else: .conflict,
        "every program that reaches the port could control the machine, a web page included",
        "give a path, or add \(path.isInsecure, "on")")
      try given.require(
        control.opensHost != true, else: .conflict, "clients on TCP may open nothing on the host",
        "leave \(path.opensHost) out, or give a path")
      try given.require(
        control.users.isEmpty && control.groups.isEmpty, else: .conflict,
        "the user of a TCP client is not known", "leave \(path.users) and \(path.groups) out")
    }
  }
}
