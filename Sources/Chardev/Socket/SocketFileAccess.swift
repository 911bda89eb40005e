import CKVM
import Glibc
import Host

/// The permissions, owner and group that a socket's file is to have; nil for what it gets anyway.
struct SocketFileAccess {
  var mode: mode_t?
  var owner: uid_t?
  var group: gid_t?

  init() {}

  /// From names or numbers to numbers.
  init(_ access: SocketConfiguration.Access) throws(ChardevError) {
    if let mode = access.mode {
      guard mode <= 0o777 else {
        throw ChardevError(
          "mode \(String(mode, radix: 8)) is none of a socket; give one from 000 to 777")
      }
      self.mode = mode
    }
    if let owner = access.owner { self.owner = try Self.user(owner) }
    if let group = access.group { self.group = try Self.group(group) }
  }

  /// Gives the file at `path`, a socket that nobody can connect to yet, what it is to have. Follows
  /// no symbolic link and touches nothing but a socket, whoever may have replaced it meanwhile.
  func apply(to path: String) throws(SystemError) {
    if mode == nil, owner == nil, group == nil { return }
    let pathOnly: Int32 = 0o10000000  // O_PATH, which the Glibc module lacks
    let file = FileDescriptor(
      owning: try systemCall("open") { open(path, pathOnly | O_NOFOLLOW | O_CLOEXEC) })
    var status = stat()
    try systemCall("fstat") { fstat(file.rawValue, &status) }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemError("fstat", errno: ENOTSOCK) }
    let place = "/proc/self/fd/\(file.rawValue)"
    if owner != nil || group != nil {
      try systemCall("set its owner and group") {
        chown(place, owner ?? uid_t.max, group ?? gid_t.max)
      }
    }
    if let mode { try systemCall("set its mode") { chmod(place, mode) } }
  }

  // MARK: Names

  private static func user(_ name: String) throws(ChardevError) -> uid_t {
    if let number = uid_t(name) { return number }
    guard let found = AccountFile.user(name) else {
      throw ChardevError("there is no user '\(name)' in /etc/passwd; give a user's name or number")
    }
    return found
  }

  private static func group(_ name: String) throws(ChardevError) -> gid_t {
    if let number = gid_t(name) { return number }
    guard let found = AccountFile.group(name) else {
      throw ChardevError("there is no group '\(name)' in /etc/group; give a group's name or number")
    }
    return found
  }
}
