import Chardev
import Glibc
import Host

/// A path that a backend makes, writes to or reads, and the property that it is.
struct PathTarget {
  let property: PropertyPath
  let path: String

  init(_ property: PropertyPath, _ path: String) {
    self.property = property
    self.path = path
  }

  func error(
    _ code: ConfigurationError.Code, _ problem: ConfigurationError.Text,
    _ remedy: ConfigurationError.Text
  ) -> ConfigurationError {
    ConfigurationError(code, at: property, given: path, problem, remedy)
  }

  /// A text that can be a path.
  func checkText() throws(ConfigurationError) {
    guard let problem = Self.problem(in: path) else { return }
    throw error(.invalid, .init(problem), "give \(property, "PATH")")
  }

  /// What is wrong with a path as a text; nil where nothing is.
  static func problem(in path: String) -> String? {
    if path.isEmpty { return "the path is empty" }
    return path.utf8.contains(0) ? "the path holds a NUL byte" : nil
  }

  /// The place in a directory that exists.
  func entry() throws(ConfigurationError) -> PathEntry {
    try checkText()
    guard let parts = Self.split(path) else {
      throw error(.unusableFile, "the path is a directory's", "add a file name to it")
    }
    let directory = PlainText.quoted(parts.directory)
    let status: FileStatus
    do throws(FileProblem) { status = try FileStatus(path: parts.directory) } catch {
      throw self.error(
        .notFound, "the directory \(directory) \(error.clause)",
        "make the directory, or choose another path")
    }
    guard status.kind == .directory else {
      throw error(.unusableFile, "\(directory) is not a directory", "choose another path")
    }
    return PathEntry(directoryPath: parts.directory, directory: status.identity, name: parts.name)
  }

  /// A directory's path and the name of an entry in it; nil where the path ends in a slash or dots and so
  /// can only be a directory.
  private static func split(_ path: String) -> (directory: String, name: [UInt8])? {
    let bytes = Array(path.utf8)
    let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
    let name = Array(bytes[(slash.map { $0 + 1 } ?? 0)...])
    guard !name.isEmpty, name != Array(".".utf8), name != Array("..".utf8) else { return nil }
    guard let slash else { return (".", name) }
    // The root directory's own slash stays.
    return (String(decoding: bytes[..<max(slash, 1)], as: UTF8.self), name)
  }

  /// A path that fits into a Unix socket's address.
  func checkSocketLength() throws(ConfigurationError) {
    let length = path.utf8.count
    guard length <= SocketPath.maximumByteCount else {
      throw error(
        .outOfRange, "the path has \(length) bytes, and a socket's at most 107",
        "choose a shorter path")
    }
    try checkText()
  }

  /// A file that is there to be read.
  func checkReadable() throws(ConfigurationError) {
    try checkText()
    let status: FileStatus
    do throws(FileProblem) { status = try FileStatus(path: path) } catch {
      throw self.error(.notFound, "the file \(error.clause)", "check the path")
    }
    guard status.kind != .directory, status.kind != .socket else {
      throw error(
        .unusableFile, "the path exists and \(status.kind.clause)", "choose another path")
    }
    guard access(path, R_OK) == 0 else {
      throw error(
        .unusableFile, "no permission to read the file",
        "make the file readable, e.g. with chmod")
    }
  }
}

/// A place in an existing directory.
struct PathEntry {
  let directoryPath: String
  let directory: FileStatus.Identity
  let name: [UInt8]

  func checkWritable(for target: PathTarget) throws(ConfigurationError) {
    guard access(directoryPath, W_OK | X_OK) == 0 else {
      throw target.error(
        .unusableFile, "no permission to write in the directory \(PlainText.quoted(directoryPath))",
        "choose another path")
    }
  }
}

extension FileStatus.Kind {
  /// What a file of the wrong kind is, as a clause.
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

/// What a path leads to (`stat(2)`), as far as a configuration cares.
struct FileStatus: Equatable {
  enum Kind: Equatable { case regular, directory, socket, symbolicLink, device, pipe, unknown }

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
  init(path: String, followsLink: Bool = true) throws(FileProblem) {
    var status = stat()
    let result = followsLink ? stat(path, &status) : lstat(path, &status)
    guard result == 0 else { throw FileProblem(errno: errno) }
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

/// Why a path could not be looked up.
struct FileProblem: Error, Equatable {
  let errno: Int32

  /// The reason in plain words, to stand after "the kernel" or "the directory".
  var clause: String {
    switch errno {
    case ENOENT: "does not exist"
    case EACCES: "cannot be reached: no permission on a directory of its path"
    case ENOTDIR: "cannot be reached: part of its path is not a directory"
    case ENAMETOOLONG: "has too long a path"
    case ELOOP: "cannot be reached: its symbolic links go round in circles"
    default: "cannot be reached: " + String(cString: strerror(errno))
    }
  }
}
