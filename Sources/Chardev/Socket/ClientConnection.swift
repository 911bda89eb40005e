import CKVM
import Glibc
import Host

/// Connects to chardevs of this process, as their clients from outside do.
package enum ClientConnection {
  /// A new client of a chardev: a connected socket, the other side of a terminal, or what brings a
  /// ring buffer's bytes. Whether one more client is taken is the chardev's rule; who may connect to
  /// its socket does not matter here. Does not wait. Only from the top of a loop's turn.
  package static func open(to chardev: any Chardev) throws(ChardevError) -> FileDescriptor {
    for part in chardev.parts {
      if let buffer = part as? RingBuffer { return try buffer.openFollower() }
      if let taker = part as? any ClientAcceptor, taker.address != nil {
        return try taker.takeClient()
      }
      if let terminal = part as? PseudoTerminal {
        do throws(SystemError) { return try open(terminal.path) } catch {
          throw ChardevError(error.description)
        }
      }
    }
    throw ChardevError("there is no listening socket, terminal or ring buffer to connect to")
  }

  /// How many clients wait for their turn, and how many have had to.
  package static func queue(of chardev: any Chardev) -> (waiting: Int, total: UInt64) {
    chardev.parts.reduce((0, 0)) { sum, part in
      guard let socket = part as? SocketChardev else { return sum }
      return (sum.0 + socket.waitingClientCount, sum.1 &+ socket.counters.queuedClients)
    }
  }

  /// The terminal that clients open; nil for a chardev that is none.
  package static func terminalPath(of chardev: any Chardev) -> String? {
    chardev.parts.lazy.compactMap { ($0 as? PseudoTerminal)?.path }.first
  }

  private static func open(_ path: String) throws(SystemError) -> FileDescriptor {
    let flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
    return FileDescriptor(owning: try systemCall("open " + path) { Glibc.open(path, flags) })
  }
}

extension Chardev {
  /// What a chardev that stands before others, or for several, leads to in the end.
  package var parts: [any Chardev] {
    switch self {
    case let wrapper as any ChardevWrapper: wrapper.backend.parts
    case let hub as HubChardev: hub.chardevs?.flatMap(\.parts) ?? [hub]
    default: [self]
    }
  }
}

/// A chardev that takes clients, which come to a socket that listens.
protocol ClientAcceptor: Chardev {
  /// Where clients come; nil where none do.
  var address: SocketAddress? { get }
  /// Whether the chardev has been started, and not stopped.
  var isServing: Bool { get }
  /// Judges a newcomer, and tells the front end of it; only from the top of a loop's turn.
  ///
  /// - Returns: whether it has a place, or will have one in its turn.
  func receive(_ newcomer: SocketPeer) -> Bool
}

extension ClientAcceptor {
  /// Takes a client of this process, by a pair of sockets, so that it is known at once whether it has
  /// a place. Only from the top of a loop's turn.
  ///
  /// - Returns: the client's end, in non-blocking mode.
  func takeClient() throws(ChardevError) -> FileDescriptor {
    guard isServing else { throw ChardevError("it does not serve clients now") }
    let isPacketed = limits.packet != nil
    let client: FileDescriptor
    let peer: SocketPeer
    do throws(SystemError) {
      let (near, far) = try FileDescriptor.socketPair(isPacketed: isPacketed)
      let descriptor = FileDescriptor(owning: near)
      client = FileDescriptor(owning: far)
      _ = fcntl(far, F_SETFL, O_NONBLOCK)
      descriptor.prepareSocket(nil, isPacketed: isPacketed)
      client.prepareSocket(nil, isPacketed: isPacketed)
      peer = SocketPeer(descriptor, isPacketed: isPacketed)
    } catch {
      throw ChardevError(error.description)
    }
    guard receive(peer) else {
      throw ChardevError("a client is there already, or the guest has not read what others left")
    }
    return client
  }
}
