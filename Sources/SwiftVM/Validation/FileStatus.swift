import Glibc
import Host

/// What a path leads to (`stat(2)`), as far as a configuration cares.
struct FileStatus: Equatable {
  enum Kind: Equatable {
    case regular, directory, socket, symbolicLink, device, pipe, unknown

    /// What a file of the wrong kind is.
    var clause: String {
      switch self {
      case .regular: "is a regular file"
      case .directory: "is a directory"
      case .socket: "is a socket"
      case .symbolicLink: "is a symbolic link"
      case .device: "is a device"
      case .pipe: "is a pipe"
      case .unknown: "is not a file"
      }
    }
  }

  /// What makes a file the same file under another path.
  struct Identity: Hashable {
    let device: UInt
    let inode: UInt
  }

  let kind: Kind
  /// In bytes; only a regular file's means anything.
  let size: UInt64
  let identity: Identity

  /// Looks a path up.
  ///
  /// - Parameter followsLink: whether a symbolic link at the end of the path is followed.
  init(path: String, followsLink: Bool = true) throws(SystemError) {
    var status = stat()
    let result = followsLink ? stat(path, &status) : lstat(path, &status)
    guard result == 0 else { throw .current("stat") }
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .directory
      case S_IFSOCK: .socket
      case S_IFLNK: .symbolicLink
      case S_IFCHR, S_IFBLK: .device
      case S_IFIFO: .pipe
      default: .unknown
      }
    size = UInt64(clamping: status.st_size)
    identity = Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
  }
}

extension SystemError {
  /// Why a path could not be looked up, to stand after "the kernel" or "the directory".
  var pathClause: String {
    switch errno {
    case ENOENT: "does not exist"
    case EACCES: "cannot be reached: no permission on a directory of its path"
    case ENOTDIR: "cannot be reached: part of its path is not a directory"
    case ENAMETOOLONG: "has too long a path"
    case ELOOP: "cannot be reached: its symbolic links go round in circles"
    default: "cannot be reached: " + reason
    }
  }
}
