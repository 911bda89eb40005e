import Glibc
import Host

/// Connects to chardevs of this process, as their clients from outside do.
package enum ClientConnection {
  /// A new client of a chardev: a connected socket, the other side of a terminal, or what brings a
  /// ring buffer's bytes. What becomes of one more client is the chardev's rule. Does not wait.
  package static func open(to chardev: any Chardev) throws(ChardevError) -> FileDescriptor {
    for part in chardev.parts {
      if let buffer = part as? RingBuffer { return try buffer.openFollower() }
      let address = (part as? SocketChardev)?.address ?? (part as? BroadcastChardev)?.address
      do throws(SystemError) {
        if let address { return try connect(to: address, isPacketed: part.packetLimit != nil) }
        if let terminal = part as? PseudoTerminal { return try open(terminal.path) }
      } catch {
        throw ChardevError(
          error.errno == EAGAIN ? "too many clients wait to be accepted" : error.description)
      }
    }
    throw ChardevError("there is no listening socket, terminal or ring buffer to connect to")
  }

  /// The terminal that clients open; nil for a chardev that is none.
  package static func terminalPath(of chardev: any Chardev) -> String? {
    chardev.parts.lazy.compactMap { ($0 as? PseudoTerminal)?.path }.first
  }

  private static func open(_ path: String) throws(SystemError) -> FileDescriptor {
    let flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
    return FileDescriptor(owning: try systemCall("open " + path) { Glibc.open(path, flags) })
  }

  private static func connect(
    to address: SocketAddress, isPacketed: Bool
  ) throws(SystemError) -> FileDescriptor {
    let type = Int32((isPacketed ? SOCK_SEQPACKET : SOCK_STREAM).rawValue)
    let socket = try FileDescriptor(socketOf: address.family, type: type)
    let number = socket.rawValue
    do throws(SystemError) {
      try systemCall("connect") { address.withPointer { Glibc.connect(number, $0, $1) } }
    } catch  where error.errno == EINPROGRESS {
      // The kernel goes on with it, and the client waits for that.
    }
    return socket
  }
}

extension Chardev {
  /// What a chardev that stands before others, or for several, leads to in the end.
  package var parts: [any Chardev] {
    switch self {
    case let logged as LoggedChardev: logged.backend.parts
    case let end as MuxEnd: end.mux.backend.parts
    case let several as SeveralChardev: several.sinks.flatMap(\.chardev.parts)
    default: [self]
    }
  }
}
