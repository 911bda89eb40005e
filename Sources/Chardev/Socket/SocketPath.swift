import CKVM
import Glibc
import Host

/// A path for a Unix socket, and the rule for what may already be there.
///
/// A socket on which no process listens, the remains of one that was killed, is replaced.
/// Anything else is left alone and is an error: a listening socket, even of a process too busy to
/// answer, and every file that is no socket, symbolic links included.
package struct SocketPath {
  /// `sun_path` has 108 bytes, the last of which is the terminator (unix(7)).
  package static let maximumByteCount = 107

  /// How many clients may wait to be accepted.
  static let backlog: Int32 = 128

  let path: String
  /// `SOCK_STREAM` or `SOCK_SEQPACKET`.
  private let type: Int32

  /// Checks a path.
  ///
  /// - Parameters:
  ///   - path: of a socket, absolute or relative.
  ///   - type: `SOCK_STREAM` or `SOCK_SEQPACKET`.
  package init(_ path: String, type: Int32 = Int32(SOCK_STREAM.rawValue)) throws(SocketPathError) {
    let byteCount = path.utf8.count
    if byteCount == 0 { throw .empty }
    if path.utf8.contains(0) { throw .containsNUL(path: path) }
    if byteCount > SocketPath.maximumByteCount { throw .tooLong(path: path, byteCount: byteCount) }
    self.path = path
    self.type = type
  }

  /// What the path is resolved in.
  var directory: String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Calls `body` with the path as a socket address.
  package func withAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // The rest of sun_path is zero, which terminates it.
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  /// Makes the path free for `bind`, or says why it cannot be had.
  func removeStaleSocket() throws(SocketPathError) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return try checkDirectory() }
      throw error(.current("lstat"))
    }
    if let found = SocketPath.name(ofFileType: status.st_mode & S_IFMT) {
      throw .notASocket(path: path, found: found)
    }
    try checkIsStale()
    if unlink(path) == -1, errno != ENOENT { throw error(.current("unlink")) }
  }

  /// The typed form of a failed call on this path.
  func error(_ error: SystemError) -> SocketPathError {
    switch error.errno {
    case EACCES, EPERM, EROFS: .permissionDenied(path: path, directory: directory)
    case ENOENT: .missingDirectory(path: path, directory: directory)
    case ENOTDIR: .notADirectory(path: path, directory: directory)
    case EADDRINUSE: .inUse(path: path)
    default: .failed(path: path, error)
    }
  }

  private func checkDirectory() throws(SocketPathError) {
    var status = stat()
    guard stat(directory, &status) == 0 else { throw error(.current("stat")) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .notADirectory(path: path, directory: directory)
    }
  }

  private func checkIsStale() throws(SocketPathError) {
    let probe = try makeSocket()
    let reason = withAddress { connect(probe.rawValue, $0, $1) == 0 ? 0 : errno }
    switch reason {
    case ECONNREFUSED, ENOENT: return
    // EAGAIN: its backlog is full. EPROTOTYPE: a socket of another type is bound there.
    case 0, EAGAIN, EPROTOTYPE: throw .inUse(path: path)
    default: throw error(SystemError("connect", errno: reason))
    }
  }

  /// Makes a socket at the path, which must be free, and listens. No client can connect before
  /// it listens, and by then its file has its owner and mode.
  func makeListener(
    access: SocketFileAccess, takesDescriptors: Bool = false
  ) throws(SocketPathError) -> FileDescriptor {
    let listener = try makeSocket()
    if !takesDescriptors { FileDescriptor.refuseDescriptors(listener.rawValue) }
    if withAddress({ bind(listener.rawValue, $0, $1) }) == -1 { throw error(.current("bind")) }
    do throws(SystemError) {
      try access.apply(to: path)
      try systemCall("listen") { listen(listener.rawValue, SocketPath.backlog) }
    } catch {
      unlink(path)
      throw error.call == "listen"
        ? self.error(error) : .accessNotGiven(path: path, attempt: error.call, error)
    }
    return listener
  }

  private func makeSocket() throws(SocketPathError) -> FileDescriptor {
    do throws(SystemError) { return try FileDescriptor(socketOf: AF_UNIX, type: type) } catch {
      throw self.error(error)
    }
  }

  /// What to call a file that is no socket; nil for a socket.
  private static func name(ofFileType type: mode_t) -> String? {
    switch type {
    case S_IFSOCK: nil
    case S_IFREG: "a regular file"
    case S_IFDIR: "a directory"
    case S_IFLNK: "a symbolic link"
    case S_IFIFO: "a named pipe"
    default: "a device"
    }
  }
}

/// Why a socket cannot be made at a path. The description says what is wrong and what helps; it
/// leaves naming the option to the caller.
package enum SocketPathError: Error, Equatable, Sendable, CustomStringConvertible {
  case empty
  case containsNUL(path: String)
  /// Longer than `sockaddr_un.sun_path` holds beside its terminator.
  case tooLong(path: String, byteCount: Int)
  case missingDirectory(path: String, directory: String)
  case notADirectory(path: String, directory: String)
  /// Something else is there, which is left alone.
  case notASocket(path: String, found: String)
  /// A process listens there, and is left alone.
  case inUse(path: String)
  case permissionDenied(path: String, directory: String)
  /// Its file cannot be given the mode, owner or group that was asked for.
  case accessNotGiven(path: String, attempt: String, SystemError)
  case failed(path: String, SystemError)

  package var description: String {
    switch self {
    case .empty:
      "the socket path is empty; give a path such as /tmp/port0"
    case .containsNUL(let path):
      "socket path '\(path)' contains a NUL byte; leave it out"
    case .tooLong(let path, let byteCount):
      "socket path '\(path)' has \(byteCount) bytes, and a Unix socket's may have \(SocketPath.maximumByteCount); choose a shorter one, or a relative one"
    case .missingDirectory(let path, let directory):
      "socket path '\(path)': there is no directory '\(directory)'; create it with: mkdir -p '\(directory)'"
    case .notADirectory(let path, let directory):
      "socket path '\(path)': '\(directory)' is not a directory; choose another path"
    case .notASocket(let path, let found):
      "socket path '\(path)' is \(found), which is left alone; remove it or choose another path"
    case .inUse(let path):
      "socket path '\(path)' is in use by another process; stop that process or choose another path"
    case .permissionDenied(let path, let directory):
      "socket path '\(path)': no permission to make a socket in '\(directory)'; choose a directory you may write to"
    case .accessNotGiven(let path, let attempt, let error):
      "socket path '\(path)': cannot \(attempt) (\(error.reason)); leave it out, or run as a user who may"
    case .failed(let path, let error):
      "socket path '\(path)': \(error); choose another path"
    }
  }
}
