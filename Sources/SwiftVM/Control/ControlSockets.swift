import Chardev
import Control
import Host

/// Makes the sockets at which QMP's clients come.
enum ControlSockets {
  static func open(
    _ sockets: [ControlSocketConfiguration], _ patience: OpeningPatience
  ) throws(ConfigurationError) -> [ControlListener] {
    var listeners: [ControlListener] = []
    for (index, control) in sockets.enumerated() {
      let path = PropertyPath.root.controlSockets[index]
      let socket = try open(control, at: path, patience)
      try ControlSocketRules.check(control, socket.reach, at: path, name: socket.name)
      if control.isInsecure {
        let whom =
          socket.reach == .network
          ? "every program that reaches it"
          : "this user's programs in any container on this network"
        Log.warning("control socket \(socket.name) is insecure: \(whom) can control the machine")
      }
      let opensHost = control.opensHost ?? (socket.reach == .file)
      listeners.append(ControlListener(socket, opensHost: opensHost))
    }
    return listeners
  }

  private static func open(
    _ control: ControlSocketConfiguration, at path: PropertyPath, _ patience: OpeningPatience
  ) throws(ConfigurationError) -> ServiceSocket {
    do throws(ChardevError) {
      switch control.socket.backend {
      case .socket(let configuration):
        return try ServiceSocket(
          configuration, users: control.users, groups: control.groups, patience: patience)
      case .descriptor(let source):
        return try ServiceSocket(source, users: control.users, groups: control.groups)
      default: throw ChardevError("QMP is spoken on sockets only; give a path")
      }
    } catch {
      throw ConfigurationError(.host, at: path, .init(error.description))
    }
  }
}
