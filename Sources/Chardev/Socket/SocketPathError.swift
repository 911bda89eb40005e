import Host

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
