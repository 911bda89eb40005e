import CKVM
import Glibc
import Host

/// Moves an output file out of the way once it is full: `path` becomes `path.1`, what was `path.1`
/// becomes `path.2`, and so on; the oldest goes.
///
/// No byte is lost on the way: each goes to the old file or to the new one, cut at the limit
/// exactly. Where the files cannot be moved, or no new one be made, the old one goes on, and the
/// next attempt follows after as many bytes again. A file that somebody else has moved meanwhile is
/// not moved again.
struct FileRotation {
  private let path: String
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
    self.path = path
    self.limits = limits
    size = appends ? UInt64(clamping: status.st_size) : 0
    threshold = limits.size
  }

  /// Writes to the file, and to as many new ones as the bytes need.
  mutating func write(
    _ segments: UnsafeBufferPointer<iovec>, to output: OutputEnd
  ) -> TransferResult {
    let total = segments.byteCount
    var done = 0
    while done < total {
      let part = segments.part(from: done, limit: room(in: output))
      guard case .transferred(let count) = part.withUnsafeBufferPointer({ output.write($0) }),
        count > 0
      else { return done > 0 ? .transferred(done) : .wouldBlock }
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
    do throws(ChardevError) {
      if isStillThere(output) { try moveFiles() }
      output.replaceDescriptor(
        by: SharedDescriptor(
          owning: FileDescriptor(owning: try OpenFile.forOutput(path).descriptor)))
      size = FileRotation.size(of: output.descriptorNumber)
    } catch {
      log.warning("\(error); the file goes on beyond its size")
    }
    threshold = size < limits.size ? limits.size : size &+ limits.size
  }

  /// Whether the path still leads to the file that is written to.
  private func isStillThere(_ output: OutputEnd) -> Bool {
    var found = stat()
    guard stat(path, &found) == 0, let own = FileRotation.status(of: output.descriptorNumber)
    else { return false }
    return found.st_dev == own.st_dev && found.st_ino == own.st_ino
  }

  private func moveFiles() throws(ChardevError) {
    for number in stride(from: limits.count, to: 0, by: -1) {
      let source = number == 1 ? path : "\(path).\(number - 1)"
      let target = "\(path).\(number)"
      if rename(source, target) == -1, errno != ENOENT {
        throw ChardevError(
          "'\(source)' cannot become '\(target)': \(SystemError.current("rename"))")
      }
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
