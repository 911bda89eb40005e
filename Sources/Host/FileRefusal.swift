import Glibc

/// Why a file is not opened for writing.
package enum FileRefusal: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed.
  case system(SystemError)
  /// The path is a symbolic link.
  case link
  /// A directory of the path is a symbolic link of another user's to what is not that user's.
  case foreignLink(name: String, owner: uid_t)
  /// The file belongs neither to this user nor to root.
  case foreign(owner: uid_t)
  /// The file has another name (a hard link).
  case otherNames
  /// Another process writes to the file, and holds a lock on it.
  case inUse

  /// What is wrong, as a clause.
  package var description: String {
    switch self {
    case .system(let error): error.reason
    case .link: "it is a symbolic link, which is not followed"
    case .foreignLink(let name, let owner):
      "'\(name)' on its path is a symbolic link of user \(owner), which is not followed"
    case .foreign(let owner): "the file belongs to user \(owner)"
    case .otherNames: "the file has another name, too (a hard link)"
    case .inUse: "a running process writes to this file"
    }
  }

  /// What helps, as a clause.
  package var remedy: String {
    switch self {
    case .link, .foreignLink: "give the path that it leads to"
    case .foreign: "choose a file of your own"
    case .system, .otherNames, .inUse: "choose another path"
    }
  }
}

/// A lock on a file that is open for writing, against other writers (fcntl(2), "Open file description
/// locks"): held until the file is closed, in whatever process.
///
/// A process that can only read the file cannot take such a lock. Its read lock, which would refuse
/// ours, is told apart.
package enum WriteLock: Equatable, Sendable {
  /// The file is locked now.
  case taken
  /// Readers have locked the file.
  case refusedByReaders
  /// Another writer has.
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
    // Only a write lock is in the way of a read lock.
    lock.l_type = Int16(F_RDLCK)
    guard fcntl(descriptor, getLock, &lock) == 0 else { return .refusedByWriter }
    return lock.l_type == Int16(F_UNLCK) ? .refusedByReaders : .refusedByWriter
  }
}
