import CKVM
import Chardev
import Glibc
import Host

/// Where QMP clients come: a listening Unix socket, which is removed with its owner.
package final class ControlListener {
  private let socket: ListeningSocket

  /// Listens at a path of the file system; what may be there already, see `SocketPathError`.
  package init(path: String) throws(SocketPathError) { socket = try ListeningSocket(path: path) }

  var number: Int32 { socket.descriptor.rawValue }

  /// The next client; nil for nobody.
  func accept() throws(SystemError) -> ControlConnection? {
    while true {
      let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let descriptor = accept4(number, nil, nil, flags)
      if descriptor >= 0 { return ControlConnection(FileDescriptor(owning: descriptor)) }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EAGAIN: return nil
      default: throw .current("accept")
      }
    }
  }
}
