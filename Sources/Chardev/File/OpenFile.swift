import CKVM
import Glibc
import Host

/// Opens the files of a chardev, and says what helps where that fails.
enum OpenFile {
  /// The place of a file to write to.
  static func place(_ path: String) throws(ChardevError) -> DirectoryEntry {
    try check(path)
    do throws(FileRefusal) { return try DirectoryEntry(path) } catch {
      throw refusal(path, error)
    }
  }

  /// A file to read from its beginning.
  static func forInput(_ path: String) throws(ChardevError) -> FileDescriptor {
    try check(path)
    let number = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard number >= 0 else { throw problem(path, .current("open"), doing: "read") }
    let descriptor = FileDescriptor(owning: number)
    var status = stat()
    guard fstat(number, &status) == 0 else {
      throw problem(path, .current("fstat"), doing: "read")
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: throw problem(path, SystemError("open", errno: EISDIR), doing: "read")
    case S_IFIFO:
      // It would be at its end before the first writer comes.
      throw ChardevError("'\(path)' is a named pipe; give it to a pipe instead of a file")
    default: return descriptor
    }
  }

  /// Why a file is not written to.
  static func refusal(_ path: String, _ refusal: FileRefusal) -> ChardevError {
    guard case .system(let cause) = refusal else {
      return ChardevError("'\(path)': \(refusal.description); \(refusal.remedy)")
    }
    return problem(path, cause, doing: "write to")
  }

  private static func check(_ path: String) throws(ChardevError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ChardevError("the file's path is empty or has a NUL byte in it; give another path")
    }
  }

  private static func problem(
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
