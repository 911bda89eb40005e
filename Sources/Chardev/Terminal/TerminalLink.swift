import CKVM
import Glibc
import Host

/// A symbolic link that gives a pseudo-terminal a name of the user's choice, which goes away with
/// its owner: it is removed if it still is this very link.
///
/// A link that an earlier machine has left, to a terminal that is gone or is ours now, is replaced.
/// Everything else is left alone and is an error: other files, links elsewhere, and a link to a
/// terminal that exists, which may be another machine's.
struct TerminalLink: ~Copyable {
  private static let terminals = "/dev/pts/"

  private let path: OwnedPath

  /// Makes the link at `path`, to `terminal`; other programs that do so there are waited for.
  init(
    _ path: String, to terminal: String, patience: OpeningPatience = .atStart()
  ) throws(ChardevError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ChardevError("the link's path is empty or has a NUL byte in it; give another path")
    }
    let lock = DirectoryLock(directory: Self.directory(of: path), patience: patience)
    try Self.removeStaleLink(path, own: terminal)
    guard symlink(terminal, path) == 0 else {
      throw ChardevError(
        "link '\(path)' cannot be made: \(SystemError.current("symlink").reason); choose another path"
      )
    }
    guard let owned = OwnedPath(path) else {
      throw ChardevError("link '\(path)' is gone as soon as made; choose another path")
    }
    self.path = owned
    lock.release()
  }

  private static func removeStaleLink(_ path: String, own: String) throws(ChardevError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFLNK else {
      throw ChardevError(
        "'\(path)' exists and is no symbolic link, so it is left alone; remove it or choose another path"
      )
    }
    let target = target(of: path)
    guard target.hasPrefix(terminals) else {
      throw ChardevError(
        "'\(path)' is a link to '\(target)', which is left alone; remove it or choose another path")
    }
    guard target == own || access(target, F_OK) != 0 else {
      throw ChardevError(
        "'\(path)' is a link to '\(target)', a terminal that exists; remove it if it is not in use, or choose another path"
      )
    }
    if unlink(path) == -1, errno != ENOENT {
      throw ChardevError(
        "link '\(path)' cannot be replaced: \(SystemError.current("unlink").reason); choose another path"
      )
    }
  }

  private static func target(of link: String) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(link, &buffer, buffer.count)
    return String(
      decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
