import CKVM
import Glibc
import Host

/// A listening stream or packet socket of any family, which goes away with its owner: a path that it
/// made is removed, if it still is this very socket.
struct ListeningSocket: ~Copyable {
  /// What came of accepting.
  enum Acceptance: ~Copyable {
    case accepted(FileDescriptor)
    /// No client is waiting (any more).
    case none
    /// The system is short of something, such as descriptors; a client that waits is still there.
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
      case EAGAIN, ECONNABORTED: return .none
      default: return .failed(.current("accept"))
      }
    }
  }
}

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

  /// Gives the file at `path`, a socket that no client can connect to yet, what it is to have. Follows
  /// no symbolic link and changes nothing but a socket: another user may have replaced the file.
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

/// Keeps two starting programs from judging and replacing one stale socket at the same time.
///
/// Advisory, on the directory itself (flock(2)), so that nothing is left behind. Another program's
/// lock is waited for only as long as there is patience: it must not keep a machine from starting, nor
/// one that runs from its work. Ours is held for a few system calls.
struct DirectoryLock: ~Copyable {
  private static let stepMilliseconds = 10

  private let descriptor: FileDescriptor?

  /// Takes the lock, or goes without where the directory cannot be opened or the patience ends.
  init(directory: String, patience: OpeningPatience) {
    let number = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else {
      descriptor = nil
      return
    }
    descriptor = FileDescriptor(owning: number)
    patience.whileLocking { milliseconds in
      for _ in 0...(milliseconds / Self.stepMilliseconds) {
        if flock(number, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return }
        usleep(UInt32(Self.stepMilliseconds) * 1000)
      }
    }
  }

  /// Ends the lock, by the end of its owner.
  consuming func release() {}
}
