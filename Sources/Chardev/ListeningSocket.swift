import CKVM
import Glibc
import Host

/// A listening Unix stream socket at a path of the file system, which goes away with its owner:
/// the path is removed, if it still is this very socket.
package struct ListeningSocket: ~Copyable {
  /// What came of accepting.
  enum Acceptance: ~Copyable {
    case accepted(StreamConnection)
    /// Nobody is waiting (any more).
    case nobody
    /// The system is short of something, such as descriptors; whoever waits is still there.
    case failed(SystemError)
  }

  /// Which file the path was when the socket was made.
  private struct Identity: Equatable {
    let device: dev_t
    let inode: ino_t

    init?(path: String) {
      var status = stat()
      guard lstat(path, &status) == 0 else { return nil }
      device = status.st_dev
      inode = status.st_ino
    }
  }

  /// The listening socket.
  package let descriptor: FileDescriptor
  private let path: String
  private let identity: Identity?

  /// Makes the socket and listens. What `SocketPath` calls stale is replaced; several programs of
  /// this kind that start at once on one path do that one after another, and one of them wins.
  package init(path: String) throws(SocketPathError) {
    let place = try SocketPath(path)
    let lock = DirectoryLock(directory: place.directory)
    try place.removeStaleSocket()
    descriptor = try place.makeListener()
    identity = Identity(path: path)
    self.path = path
    lock.release()
  }

  deinit {
    if let identity, Identity(path: path) == identity { unlink(path) }
  }

  /// Takes the next connection, in non-blocking mode.
  func accept() -> Acceptance {
    while true {
      let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let number = accept4(descriptor.rawValue, nil, nil, flags)
      if number >= 0 {
        return .accepted(StreamConnection(descriptor: FileDescriptor(owning: number)))
      }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EAGAIN: return .nobody
      default: return .failed(.current("accept"))
      }
    }
  }
}
