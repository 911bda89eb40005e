/// What a control socket may be: one that clients come to, without holding up the start.
enum ControlSocketRules {
  static func check(_ socket: ChardevConfiguration) throws(ConfigurationError) {
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
    guard configuration.hasNoDelay else {
      throw error("replies go out at once", "leave nodelay out")
    }
  }
}
