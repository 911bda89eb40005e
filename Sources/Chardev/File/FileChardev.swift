import CKVM
import Glibc
import Host

/// A chardev on files: output goes to one, input comes from another; either may be missing.
///
/// What cannot be written (disk full, file too large) is discarded, with a line in the log now and
/// then.
package final class FileChardev: TwoEndedChardev {
  package weak var delegate: (any ChardevDelegate)?
  package let filename = "file"
  package let input: InputEnd?
  package let output: OutputEnd?
  package let presence = AlwaysConnected()
  private let file: OutputFile?
  private var rotation: FileRotation?

  /// Opens both files. The output file is made where there is none; where it is to be emptied, that
  /// happens at the start.
  package init(_ configuration: FileConfiguration) throws(ChardevError) {
    SignalSource.ignoreWriteFailures()
    input = try configuration.input.map { path throws(ChardevError) in
      InputEnd(SharedDescriptor(owning: try OpenFile.forInput(path)))
    }
    guard let path = configuration.output else {
      (output, file) = (nil, nil)
      return
    }
    let file = try OutputFile(
      path, appends: configuration.appends,
      isShared: configuration.appends && configuration.rotation == nil, mode: configuration.mode)
    let descriptor = file.takeDescriptor()
    if let limits = configuration.rotation {
      rotation = try FileRotation(
        of: descriptor.rawValue, path: path, limits, appends: configuration.appends)
    }
    output = OutputEnd(name: path, SharedDescriptor(owning: descriptor))
    self.file = file
  }

  /// Opens a file for output only, which is created or emptied.
  package convenience init(path: String) throws(ChardevError) {
    try self.init(FileConfiguration(output: path))
  }

  /// A file is full after so many bytes, and each new one takes time.
  package var limits: WriteLimits { WriteLimits(call: rotation?.fileSize ?? .max) }

  package func start(on loop: EventLoop) throws(SystemError) {
    file?.begin()
    try startEnds(on: loop)
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard let output else { return .lost(segments.byteCount) }
    return rotation?.write(segments, to: output) ?? output.write(segments)
  }
}
