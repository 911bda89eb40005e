import CKVM
import Glibc
import Host

/// Moves an output file out of the way once it is full: `path` becomes `path.1`, what was `path.1`
/// becomes `path.2`, and so on; the oldest goes.
///
/// No byte is lost on the way: each goes to the old file or to the new one, cut at the limit
/// exactly. Where the files cannot be moved, or no new one be made, the old one goes on, and the
/// next attempt follows after as many bytes again. A file that another program has moved is not moved
/// again: the bytes go on in the one that has taken its place.
struct FileRotation: ~Copyable {
  private let path: String
  private let place: DirectoryEntry
  private let limits: FileConfiguration.Rotation
  private let log = RateLimitedLog(linesPerSecond: 1)
  /// Bytes in the file, as far as is known without asking: others may have emptied it.
  private var size: UInt64
  /// The size at which the file is full.
  private var threshold: UInt64

  /// - Parameters:
  ///   - descriptor: the file that is at `path` now.
  ///   - appends: whether what is in it stays there.
  init(
    of descriptor: Int32, path: String, _ limits: FileConfiguration.Rotation, appends: Bool
  ) throws(ChardevError) {
    guard FileConfiguration.Rotation.allowedSizes ~= limits.size else {
      throw ChardevError(
        "'\(path)': a file of \(limits.size) bytes is too small to be rotated; give 4096 or more")
    }
    guard FileConfiguration.Rotation.allowedCounts ~= limits.count else {
      throw ChardevError("'\(path)': \(limits.count) rotated files cannot be kept; give 1 to 100")
    }
    guard let status = FileRotation.status(of: descriptor), status.st_mode & S_IFMT == S_IFREG
    else {
      throw ChardevError("'\(path)' is no regular file, which alone can be rotated; choose another")
    }
    place = try OutputFile.place(path)
    self.path = path
    self.limits = limits
    size = appends ? UInt64(clamping: status.st_size) : 0
    threshold = limits.size
  }

  /// The bytes of one file.
  var fileSize: Int { Int(clamping: limits.size) }

  /// Writes to the file, and to as many new ones as the bytes need.
  mutating func write(
    _ segments: UnsafeBufferPointer<iovec>, to output: OutputEnd
  ) -> TransferResult {
    let total = segments.byteCount
    var done = 0
    while done < total {
      let part = segments.part(from: done, limit: room(in: output))
      let result = part.withUnsafeBufferPointer { output.writeThrough($0) }
      guard case .transferred(let count) = result, count > 0 else {
        return done > 0 ? .transferred(done) : result
      }
      done += count
      size &+= UInt64(count)
    }
    return .transferred(done)
  }

  /// How many bytes the file takes before it is full; rotates it if it is.
  private mutating func room(in output: OutputEnd) -> Int {
    if size >= threshold { size = FileRotation.size(of: output.descriptorNumber) }
    if size >= threshold { rotate(output) }
    return Int(clamping: max(1, threshold > size ? threshold - size : 0))
  }

  private mutating func rotate(_ output: OutputEnd) {
    do throws(FileRefusal) {
      let file = try nextFile(output)
      output.replaceFile(by: file)
      size = FileRotation.size(of: output.descriptorNumber)
    } catch {
      log.warning("\(OutputFile.error(path, error)); the file goes on beyond its size")
    }
    threshold = size < limits.size ? limits.size : size &+ limits.size
  }

  /// The file that takes the place of the full one, with its permissions.
  private func nextFile(_ output: OutputEnd) throws(FileRefusal) -> FileDescriptor {
    let number = output.descriptorNumber
    let mode = (FileRotation.status(of: number)?.st_mode ?? 0o600) & 0o777
    let file: FileDescriptor
    if let own = FileIdentity(of: number), place.leads(to: own) {
      do throws(SystemError) { try moveFiles() } catch { throw .system(error) }
      // What is there all the same, another user has put there.
      guard let new = try place.create(OutputFile.access, mode: mode) else {
        throw .system(SystemError("open", errno: EEXIST))
      }
      file = new
    } else {
      file = try place.openOrCreate(OutputFile.access, mode: mode).file()
      guard FileRotation.status(of: file.rawValue).map({ $0.st_mode & S_IFMT }) == S_IFREG else {
        throw .system(SystemError("open", errno: EEXIST))
      }
    }
    if WriteLock.attempt(on: file.rawValue) == .refusedByWriter { throw .inUse }
    return file
  }

  private func moveFiles() throws(SystemError) {
    for number in stride(from: limits.count, to: 0, by: -1) {
      try place.rename(suffix: number == 1 ? "" : ".\(number - 1)", to: ".\(number)")
    }
  }

  private static func status(of descriptor: Int32) -> stat? {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? status : nil
  }

  private static func size(of descriptor: Int32) -> UInt64 {
    UInt64(clamping: status(of: descriptor)?.st_size ?? 0)
  }
}
