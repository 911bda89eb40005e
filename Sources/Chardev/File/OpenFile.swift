import CKVM
import Glibc
import Host

/// Opens the files of a chardev, and says what helps where that fails.
enum OpenFile {
  /// A file to write to, made where there is none. Always at its end, wherever others have put that
  /// meanwhile: a log that somebody empties goes on at its beginning, without a hole.
  ///
  /// - Returns: the descriptor, which the caller takes over, and whether the file was made.
  static func forOutput(
    _ path: String
  ) throws(ChardevError) -> (descriptor: Int32, isNew: Bool) {
    let flags = O_WRONLY | O_CREAT | O_APPEND
    if let new = try? open(path, flags | O_EXCL, doing: "write to") { return (new, true) }
    return (try open(path, flags, doing: "write to"), false)
  }

  /// A file to read from its beginning.
  static func forInput(_ path: String) throws(ChardevError) -> FileDescriptor {
    let descriptor = FileDescriptor(owning: try open(path, O_RDONLY, doing: "read"))
    var status = stat()
    guard fstat(descriptor.rawValue, &status) == 0 else {
      throw error(path, SystemError.current("fstat"), doing: "read")
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: throw error(path, SystemError("open", errno: EISDIR), doing: "read")
    case S_IFIFO:
      // It would be at its end before the first writer comes.
      throw ChardevError("'\(path)' is a named pipe; give it to a pipe instead of a file")
    default: return descriptor
    }
  }

  private static func open(
    _ path: String, _ flags: Int32, doing verb: String
  ) throws(ChardevError) -> Int32 {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ChardevError("the file's path is empty or has a NUL byte in it; give another path")
    }
    do {
      return try systemCall("open") {
        Glibc.open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0o666)
      }
    } catch {
      throw self.error(path, error, doing: verb)
    }
  }

  private static func error(
    _ path: String, _ cause: SystemError, doing verb: String
  ) -> ChardevError {
    switch cause.errno {
    case ENOENT where verb == "read": ChardevError("'\(path)': no such file; choose another path")
    case ENOENT:
      ChardevError("'\(path)': no such directory; create it or choose another path")
    case EISDIR: ChardevError("'\(path)' is a directory; name a file")
    case ENXIO: ChardevError("named pipe '\(path)' has no reader; start one first")
    default: ChardevError("'\(path)': \(cause.reason); choose a file you may \(verb)")
    }
  }
}
