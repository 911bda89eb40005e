import Chardev
import Control

/// Makes the sockets at which QMP's clients come.
enum ControlSockets {
  static func open(
    _ sockets: [ChardevConfiguration], _ patience: OpeningPatience
  ) throws(ConfigurationError) -> [ControlListener] {
    var listeners: [ControlListener] = []
    for socket in sockets {
      do throws(ChardevError) {
        switch socket.backend {
        case .socket(let configuration):
          listeners.append(try ControlListener(configuration, patience: patience))
        case .descriptor(let source): listeners.append(try ControlListener(source))
        default: throw ChardevError("QMP is spoken on sockets only; give a path")
        }
      } catch {
        throw ConfigurationError(
          option: OptionName.qmp, problem: error.description, remedy: "")
      }
    }
    return listeners
  }
}
