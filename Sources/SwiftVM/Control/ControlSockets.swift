import Chardev
import Control

/// Makes the sockets at which QMP's clients come.
enum ControlSockets {
  static func open(
    _ sockets: [ChardevConfiguration]
  ) throws(ConfigurationError) -> [ControlListener] {
    var listeners: [ControlListener] = []
    for socket in sockets {
      guard case .socket(let configuration) = socket.backend else {
        throw ConfigurationError(
          option: OptionName.qmp, problem: "QMP is spoken on sockets only", remedy: "give a path")
      }
      do throws(ChardevError) { listeners.append(try ControlListener(configuration)) } catch {
        throw ConfigurationError(
          option: OptionName.qmp, problem: error.description, remedy: "")
      }
    }
    return listeners
  }
}
