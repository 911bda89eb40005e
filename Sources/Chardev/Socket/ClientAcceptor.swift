import Glibc
import Host

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
