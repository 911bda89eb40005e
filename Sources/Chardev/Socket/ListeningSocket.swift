import CKVM
import Glibc
import Host

/// A listening stream or packet socket of any family, which goes away with its owner: a path that it
/// made is removed, if it still is this very socket.
struct ListeningSocket: ~Copyable {
  /// What came of accepting.
  enum Acceptance: ~Copyable {
    case accepted(FileDescriptor)
    /// Nobody is waiting (any more).
    case nobody
    /// The system is short of something, such as descriptors; whoever waits is still there.
    case failed(SystemError)
  }

  /// The listening socket.
  let descriptor: FileDescriptor
  /// What it is bound to.
  let address: SocketAddress
  private let path: OwnedPath?

  /// Makes a stream socket in the file system, with the permissions that the umask leaves.
  init(path: String) throws(SocketPathError) {
    try self.init(
      path: path, type: Int32(SOCK_STREAM.rawValue), access: SocketFileAccess())
  }

  /// Makes a socket in the file system. What `SocketPath` calls stale is replaced; several programs
  /// of this kind that start at once on one path do that one after another, and one of them wins.
  ///
  /// - Parameters:
  ///   - takesDescriptors: whether clients may pass descriptors along.
  ///   - patience: for those other programs.
  init(
    path: String, type: Int32, access: SocketFileAccess, takesDescriptors: Bool = false,
    patience: OpeningPatience = .atStart()
  ) throws(SocketPathError) {
    let place = try SocketPath(path, type: type)
    let lock = DirectoryLock(directory: place.directory, patience: patience)
    try place.removeStaleSocket()
    descriptor = try place.makeListener(access: access, takesDescriptors: takesDescriptors)
    self.path = OwnedPath(path)
    address = SocketAddress(place)
    lock.release()
  }

  /// Makes a socket at an abstract or internet address.
  init(
    at address: SocketAddress, type: Int32, takesDescriptors: Bool = false
  ) throws(SystemError) {
    let socket = try FileDescriptor(socketOf: address.family, type: type)
    let number = socket.rawValue
    if address.isInternet {
      socket.setSocketOption(SOL_SOCKET, SO_REUSEADDR, 1)
      // The family that was asked for, whatever the host's default.
      socket.setSocketOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
    }
    if !takesDescriptors { FileDescriptor.refuseDescriptors(number) }
    try systemCall("bind") { address.withPointer { bind(number, $0, $1) } }
    try systemCall("listen") { listen(number, SocketPath.backlog) }
    self.address = SocketAddress.local(of: number) ?? address
    descriptor = socket
    path = nil
  }

  /// Takes over a socket that listens already; its path stays its maker's.
  init(adopting descriptor: consuming FileDescriptor) {
    address = SocketAddress.local(of: descriptor.rawValue) ?? .loopback(AF_INET)
    self.descriptor = descriptor
    path = nil
  }

  deinit {
    path?.remove()
  }

  /// Takes the next connection, in non-blocking mode.
  func accept() -> Acceptance {
    while true {
      let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let number = accept4(descriptor.rawValue, nil, nil, flags)
      if number >= 0 { return .accepted(FileDescriptor(owning: number)) }
      switch errno {
      case EINTR: continue
      // The event loop calls again for the client behind one that has left.
      case EAGAIN, ECONNABORTED: return .nobody
      default: return .failed(.current("accept"))
      }
    }
  }
}
