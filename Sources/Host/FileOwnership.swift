import Glibc
import Synchronization

/// Which file it is, whatever its names.
package struct FileIdentity: Equatable, Sendable {
  private let device: dev_t
  private let inode: ino_t

  private init(_ status: stat) {
    device = status.st_dev
    inode = status.st_ino
  }

  /// The identity of an open file; nil if fstat(2) fails.
  package init?(of descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    self.init(status)
  }

  /// The identity of the file at a path, or of the symbolic link there; nil if there is none.
  init?(at path: String, in directory: Int32 = AT_FDCWD, followingLinks: Bool = false) {
    var status = stat()
    let flags = followingLinks ? 0 : AT_SYMLINK_NOFOLLOW
    guard fstatat(directory, path, &status, flags) == 0 else { return nil }
    self.init(status)
  }
}

/// A lock on a file that is open for writing, against other writers (fcntl(2), "Open file description
/// locks"): held until the file is closed, in whatever process.
///
/// A process that can only read the file cannot take such a lock, but its read lock also refuses ours:
/// the two are distinguished.
package enum WriteLock: Equatable, Sendable {
  /// The file is locked now.
  case taken
  /// Readers have locked the file.
  case refusedByReaders
  /// Another writer has locked the file.
  case refusedByWriter
  /// The file cannot be locked: it is no regular file, or on a file system without locks.
  case impossible

  // Constants that need _GNU_SOURCE.
  private static let getLock: Int32 = 36
  private static let setLock: Int32 = 37

  /// Tries to lock a file, without waiting.
  package static func attempt(on descriptor: Int32) -> WriteLock {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      return .impossible
    }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    if fcntl(descriptor, setLock, &lock) == 0 { return .taken }
    guard errno == EAGAIN || errno == EACCES else { return .impossible }
    // Only a write lock conflicts with a read lock.
    lock.l_type = Int16(F_RDLCK)
    guard fcntl(descriptor, getLock, &lock) == 0 else { return .refusedByWriter }
    return lock.l_type == Int16(F_UNLCK) ? .refusedByReaders : .refusedByWriter
  }
}

/// An entry of a directory that this process has made, such as a socket: it is removed with its
/// owner, if it still is this very file. `removeAll` removes the others when the process ends early.
package struct OwnedPath: ~Copyable {
  private struct Entry {
    let path: String
    let file: FileIdentity

    func remove() {
      if FileIdentity(at: path) == file { unlink(path) }
    }
  }

  private struct Registry {
    var entries: [UInt64: Entry] = [:]
    var nextNumber: UInt64 = 0
  }

  private static let registry = Mutex(Registry())
  private let number: UInt64

  /// Owns the file at `path`, or the symbolic link itself; nil if there is none.
  package init?(_ path: String) {
    guard let file = FileIdentity(at: path) else { return nil }
    let entry = Entry(path: path, file: file)
    number = Self.registry.withLock { registry in
      registry.nextNumber += 1
      registry.entries[registry.nextNumber] = entry
      return registry.nextNumber
    }
  }

  deinit { remove() }

  /// Removes it now, while the file is still held open and its inode cannot be another's.
  package borrowing func remove() {
    let number = number
    Self.registry.withLock { $0.entries.removeValue(forKey: number) }?.remove()
  }

  /// Removes what every owner would, for a process that ends without them. Waits for no lock.
  static func removeAll() {
    _ = registry.withLockIfAvailable { registry in
      for entry in registry.entries.values { entry.remove() }
    }
  }
}
