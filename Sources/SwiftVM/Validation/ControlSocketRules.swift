/// What a control socket may be: one that clients come to, without holding up the start.
enum ControlSocketRules {
  static func check(_ socket: ChardevConfiguration) throws(ConfigurationError) {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.qmp, value: socket.id.map { "chardev=" + $0 } ?? "", problem: problem,
        remedy: remedy)
    }
    guard case .socket(let configuration) = socket.backend, configuration.kind == .stream else {
      throw error("QMP is spoken on stream sockets only", "give --qmp PATH")
    }
    guard case .listening(let waitsForClient) = configuration.role else {
      throw error("QMP clients come to the machine", "add server=on,wait=off")
    }
    guard !waitsForClient else {
      throw error("the machine does not wait for a QMP client", "add wait=off")
    }
    guard socket.log == nil, !socket.isMultiplexed else {
      throw error("a control socket has no log and is not shared", "leave them out")
    }
  }
}
