import CKVM
import Glibc
import Host

extension DescriptorChardev {
  /// Files: output goes to one, input comes from another; either may be missing. The output file is
  /// made where there is none; where it is to be emptied, that happens at the start.
  package convenience init(_ configuration: FileConfiguration) throws(ChardevError) {
    let input = try configuration.input.map { path throws(ChardevError) in
      InputEnd(Stream(file: try OutputFile.openInput(path)))
    }
    let output = try configuration.output.map { path throws(ChardevError) in
      try OutputEnd(
        path: path, appends: configuration.appends, mode: configuration.mode,
        rotation: configuration.rotation)
    }
    self.init(filename: "file", input: input, output: output)
  }
}

/// An output file that has been opened, and is left as it was until it is used: it is emptied, where
/// it is not to be added to, only when its machine begins. One that was made for a machine that never
/// begins is removed.
///
/// Bytes go to its end, wherever others have put that: a log that another program empties goes on at
/// its beginning, without a hole. A file that is emptied or rotated has one writer at a time.
final class OutputFile {
  static let access = O_WRONLY | O_APPEND

  private let isEmptied: Bool
  private let identity: FileIdentity?
  private let isNew: Bool
  private let number: Int32
  /// Where it is, until the machine begins.
  private var place: DirectoryEntry?

  /// Opens the file, and makes it where there is none.
  ///
  /// - Parameters:
  ///   - isShared: whether other programs may write to it, too.
  ///   - mode: the permissions of a file that is made.
  init(
    _ path: String, appends: Bool, isShared: Bool, mode: UInt32? = nil
  ) throws(ChardevError) {
    let place = try Self.place(path)
    // /dev/stderr may lead to a file that has more than this output in it.
    let isOwn = !place.isInSystemDirectory
    do throws(FileRefusal) {
      let opened = try place.openOrCreate(Self.access, mode: mode ?? 0o600)
      isNew = opened.isNew
      let file = opened.file()
      if isOwn, !isShared, WriteLock.attempt(on: file.rawValue) == .refusedByWriter { throw .inUse }
      number = file.release()
    } catch {
      throw Self.error(path, error)
    }
    isEmptied = isOwn && !appends
    identity = FileIdentity(of: number)
    self.place = consume place
  }

  deinit {
    guard isNew, let identity else { return }
    place?.remove(ifLeadingTo: identity)
  }

  /// The file's descriptor, which the caller takes over, once.
  func takeDescriptor() -> FileDescriptor { FileDescriptor(owning: number) }

  /// The machine begins; the descriptor is still open.
  func begin() {
    guard place.take() != nil else { return }
    // Of no effect on what is no regular file, and has nothing to lose.
    if isEmptied { _ = ftruncate(number, 0) }
  }

  // MARK: Paths

  /// The place of a file to write to.
  static func place(_ path: String) throws(ChardevError) -> DirectoryEntry {
    try check(path)
    do throws(FileRefusal) { return try DirectoryEntry(path) } catch {
      throw Self.error(path, error)
    }
  }

  /// A file to read from its beginning.
  static func openInput(_ path: String) throws(ChardevError) -> FileDescriptor {
    try check(path)
    let number = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard number >= 0 else { throw error(path, .current("open"), doing: "read") }
    let descriptor = FileDescriptor(owning: number)
    var status = stat()
    guard fstat(number, &status) == 0 else { throw error(path, .current("fstat"), doing: "read") }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: throw error(path, SystemError("open", errno: EISDIR), doing: "read")
    case S_IFIFO:
      // It would be at its end before the first writer comes.
      throw ChardevError("'\(path)' is a named pipe; give it to a pipe instead of a file")
    default: return descriptor
    }
  }

  /// Why a file is not written to.
  static func error(_ path: String, _ refusal: FileRefusal) -> ChardevError {
    guard case .system(let cause) = refusal else {
      return ChardevError("'\(path)': \(refusal.description); \(refusal.remedy)")
    }
    return error(path, cause, doing: "write to")
  }

  private static func check(_ path: String) throws(ChardevError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ChardevError("the file's path is empty or has a NUL byte in it; give another path")
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
