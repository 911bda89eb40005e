import CKVM
import Glibc

/// A name in a directory; this program opens files for writing only by one.
///
/// Other users may write in the directory, and may have put a link or another file there. So the
/// directory is held open, a symbolic link of this name is not followed, and a regular file is taken
/// only if it belongs to this user or root and has no other name. All this is checked before a byte is
/// written or removed. Only in `/dev` and `/proc` a link is followed: `/dev/stderr` is one.
///
/// Callable on any thread.
package struct DirectoryEntry: ~Copyable, Sendable {
  /// Only for looking things up: O_PATH, which the Glibc module lacks.
  private static let lookUp: Int32 = 0o10000000 | O_CLOEXEC
  /// As often as Linux follows links on one path.
  private static let linkLimit = 40

  private let directory: FileDescriptor
  private let name: String
  /// Whether it is in `/dev` or `/proc`, where a name may lead to another program's open file.
  package let isInSystemDirectory: Bool

  /// Opens the directory. On its path, another user's symbolic link is followed only to a directory of
  /// that user's.
  package init(_ path: String) throws(FileRefusal) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let start = slash.map { path.utf8.index(after: $0) } ?? path.startIndex
    name = String(path[start...])
    guard !name.isEmpty else { throw .system(SystemError("open", errno: EISDIR)) }
    directory = try Self.directory(path[..<start], from: AT_FDCWD, links: Self.linkLimit)
    let isSystems =
      path.hasPrefix("/proc/") || path.hasPrefix("/dev/") && !path.hasPrefix("/dev/shm/")
    isInSystemDirectory =
      isSystems && Self.mode(of: directory.rawValue) & (S_IWGRP | S_IWOTH) == 0
  }

  /// Makes a file.
  ///
  /// - Parameters:
  ///   - access: flags of open(2), such as `O_WRONLY | O_APPEND`.
  ///   - mode: its permissions, at most `0o777`, whatever the umask.
  /// - Returns: nil if something of this name exists.
  package func create(_ access: Int32, mode: mode_t = 0o600) throws(FileRefusal) -> FileDescriptor?
  {
    let number = openat(
      directory.rawValue, name, access | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC, 0o600)
    guard number >= 0 else {
      if errno == EEXIST { return nil }
      throw .system(.current("open"))
    }
    let file = FileDescriptor(owning: number)
    if Self.mode(of: number) & 0o777 != mode { fchmod(number, mode & 0o777) }
    return file
  }

  /// Opens the existing file, without waiting for the other end of a pipe or terminal.
  ///
  /// - Parameter access: flags of open(2), such as `O_WRONLY | O_APPEND`.
  package func open(_ access: Int32) throws(FileRefusal) -> FileDescriptor {
    let number = openat(
      directory.rawValue, name,
      access | (isInSystemDirectory ? 0 : O_NOFOLLOW) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard number >= 0 else {
      throw errno == ELOOP && !isInSystemDirectory ? .link : .system(.current("open"))
    }
    let file = FileDescriptor(owning: number)
    if !isInSystemDirectory { try check(file.rawValue) }
    return file
  }

  /// A file that has been opened, and whether it was made for that.
  package struct Opened: ~Copyable {
    private let descriptor: FileDescriptor
    /// Whether the file did not exist before.
    package let isNew: Bool

    fileprivate init(_ descriptor: consuming FileDescriptor, isNew: Bool) {
      self.descriptor = descriptor
      self.isNew = isNew
    }

    /// Hands the file over.
    package consuming func file() -> FileDescriptor { descriptor }
  }

  /// Opens the existing file, or makes one.
  package func openOrCreate(
    _ access: Int32, mode: mode_t = 0o600
  ) throws(FileRefusal) -> Opened {
    // Other programs may remove and make the file between the two calls, but not for ever.
    for _ in 0..<Self.linkLimit {
      if let new = try create(access, mode: mode) { return Opened(new, isNew: true) }
      do throws(FileRefusal) { return Opened(try open(access), isNew: false) } catch {
        guard case .system(let cause) = error, cause.errno == ENOENT else { throw error }
      }
    }
    throw .system(SystemError("open", errno: EEXIST))
  }

  /// Whether this name still leads to that file.
  package func leads(to file: FileIdentity) -> Bool {
    FileIdentity(at: name, in: directory.rawValue, followingLinks: isInSystemDirectory) == file
  }

  /// Removes the name, if it still leads to that file.
  package func remove(ifLeadingTo file: FileIdentity) {
    if leads(to: file) { unlinkat(directory.rawValue, name, 0) }
  }

  /// Renames an entry of the directory: the name with one suffix becomes the name with another. A
  /// missing entry is no error.
  package func rename(suffix: String, to newSuffix: String) throws(SystemError) {
    let number = directory.rawValue
    guard renameat(number, name + suffix, number, name + newSuffix) == -1, errno != ENOENT else {
      return
    }
    throw .current("rename")
  }

  // MARK: Parts

  private func check(_ number: Int32) throws(FileRefusal) {
    var file = stat()
    guard fstat(number, &file) == 0 else { throw .system(.current("fstat")) }
    let isRegular = file.st_mode & S_IFMT == S_IFREG
    // Writing harms no pipe or device, but one that any user may have put there could listen.
    let mustBeOwn = isRegular || Self.mode(of: directory.rawValue) & S_IWOTH != 0
    guard !mustBeOwn || Self.isTrusted(file.st_uid) else { throw .foreign(owner: file.st_uid) }
    guard !isRegular || file.st_nlink <= 1 else { throw .otherNames }
  }

  private static func directory(
    _ path: Substring, from base: Int32, links: Int
  ) throws(FileRefusal) -> FileDescriptor {
    let slash = UInt8(ascii: "/")
    var current = try look(
      from: base, path.utf8.first == slash ? "/" : ".", lookUp | O_DIRECTORY)
    for name in path.utf8.split(separator: slash).map({ String(decoding: $0, as: UTF8.self) }) {
      let number = openat(current.rawValue, name, lookUp | O_DIRECTORY | O_NOFOLLOW)
      if number >= 0 {
        current = FileDescriptor(owning: number)
        continue
      }
      let reason = errno
      let link = try look(from: current.rawValue, name, lookUp | O_NOFOLLOW)
      var status = stat()
      guard reason == ENOTDIR, fstat(link.rawValue, &status) == 0,
        status.st_mode & S_IFMT == S_IFLNK
      else { throw .system(SystemError("open", errno: reason)) }
      guard links > 0 else { throw .system(SystemError("open", errno: ELOOP)) }
      current = try directory(
        text(of: link.rawValue), from: current.rawValue, links: links - 1)
      var target = stat()
      guard
        isTrusted(status.st_uid)
          || fstat(current.rawValue, &target) == 0 && target.st_uid == status.st_uid
      else { throw .foreignLink(name: name, owner: status.st_uid) }
    }
    return current
  }

  private static func look(
    from base: Int32, _ name: String, _ flags: Int32
  ) throws(FileRefusal) -> FileDescriptor {
    let number = openat(base, name, flags)
    guard number >= 0 else { throw .system(.current("open")) }
    return FileDescriptor(owning: number)
  }

  private static func text(of link: Int32) -> Substring {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlinkat(link, "", &buffer, buffer.count)
    let bytes = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)[...]
  }

  private static func isTrusted(_ user: uid_t) -> Bool { user == 0 || user == geteuid() }

  private static func mode(of descriptor: Int32) -> mode_t {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? status.st_mode : 0
  }
}

/// Why a file is not opened for writing.
package enum FileRefusal: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed.
  case system(SystemError)
  /// The path is a symbolic link.
  case link
  /// The path contains a symbolic link of another user to a directory that is not that user's.
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
