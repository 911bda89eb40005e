import Chardev

/// What a control socket may be: one that clients come to, without holding up the start, and that
/// keeps strangers out unless it is called insecure.
enum ControlSocketRules {
  static func check(_ control: ControlSocketConfiguration) throws(ConfigurationError) {
    let socket = control.socket
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.qmp, value: socket.id.map { "chardev=" + $0 } ?? "", problem: problem,
        remedy: remedy)
    }
    guard socket.log == nil, !socket.isMultiplexed else {
      throw error("a control socket has no log and is not shared", "leave them out")
    }
    // What it is, is seen when it is taken over.
    if case .descriptor = socket.backend { return }
    guard case .socket(let configuration) = socket.backend, configuration.kind == .stream else {
      throw error("QMP is spoken on stream sockets only", "give --qmp PATH")
    }
    guard case .listening(let waitsForClient) = configuration.role else {
      throw error("QMP clients come to the machine", "add server=on,wait=off")
    }
    guard !waitsForClient else {
      throw error("the machine does not wait for a QMP client", "add wait=off")
    }
    guard configuration.clients == .exclusive else {
      throw error("a control socket serves several clients at once", "leave clients out")
    }
    guard configuration.replaySize == 0 else {
      throw error("replies are not repeated", "leave replay out")
    }
    guard configuration.hasNoDelay else {
      throw error("replies go out at once", "leave nodelay out")
    }
    switch configuration.address {
    case .unix(let path): try check(control, .file, name: "unix:" + path)
    case .abstract(let name):
      try check(control, .abstractName, name: "unix:\(name),abstract=on")
    case .tcp(let host, let port, _): try check(control, .network, name: "tcp:\(host):\(port)")
    }
  }

  /// What may be had of a socket of this reach.
  static func check(
    _ control: ControlSocketConfiguration, _ reach: ServiceSocket.Reach, name: String
  ) throws(ConfigurationError) {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.qmp, value: name, problem: problem, remedy: remedy)
    }
    switch reach {
    case .file:
      guard !control.isInsecure else {
        throw error("\"insecure\" is for TCP and abstract names", "leave it out")
      }
    case .abstractName:
      guard control.isInsecure else {
        throw error(
          "an abstract name has no permissions, and containers on this network reach it",
          "give a path, or add insecure=on")
      }
    case .network:
      guard control.isInsecure else {
        throw error(
          "every program that reaches the port could control the machine, a web page included",
          "give a path, or add insecure=on")
      }
      guard control.opensHost != true else {
        throw error("clients on TCP may open nothing on the host", "leave host out, or give a path")
      }
      guard control.users.isEmpty, control.groups.isEmpty else {
        throw error(
          "the user of a TCP client is not known", "leave allow-uid and allow-gid out")
      }
    }
  }
}
