import CKVM
import Glibc
import Host

/// A chardev on files: output goes to one, input comes from another; either may be missing.
///
/// Always connected. The end of the input file ends that direction alone. What cannot be written
/// (disk full, file too large) is discarded and counted, with a line in the log now and then.
package final class FileChardev: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename = "file"

  private let input: InputEnd?
  private let output: OutputEnd
  private var rotation: FileRotation?
  private var loop: EventLoop?

  /// Opens both files. The output file is created, or emptied, or added to, as configured.
  package init(_ configuration: FileConfiguration) throws(ChardevError) {
    SignalSource.ignoreWriteFailures()
    input = try configuration.input.map { path throws(ChardevError) in
      InputEnd(SharedDescriptor(owning: try OpenFile.forInput(path)))
    }
    // Without a file, output goes where it always fits.
    let path = configuration.output ?? "/dev/null"
    let file = try OpenFile.forOutput(path, appends: configuration.appends)
    if let limits = configuration.rotation {
      rotation = try FileRotation(of: file.rawValue, path: path, limits)
    }
    output = OutputEnd(name: path, SharedDescriptor(owning: file))
  }

  /// Opens a file for output only, which is created or emptied.
  package convenience init(path: String) throws(ChardevError) {
    try self.init(FileConfiguration(output: path))
  }

  /// Bytes that reached the file.
  package var bytesWritten: UInt64 { output.bytesWritten }
  /// Bytes that could not be written, for good.
  package var bytesDiscarded: UInt64 { output.bytesDiscarded }
  /// Whether the input file has been read to its end.
  package var hasInputEnded: Bool { input?.hasEnded ?? true }

  package func start(on loop: EventLoop) throws(SystemError) {
    try input?.start(on: loop) { [weak self] in
      if let self { delegate?.chardevIsReadable(self) }
    }
    try output.start(on: loop) { [weak self] in
      if let self { delegate?.chardevIsWritable(self) }
    }
    self.loop = loop
    loop.post { [weak self] in
      guard let self, self.loop != nil else { return }
      isConnected = true
      delegate?.chardevDidConnect(self)
    }
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    rotation?.write(segments, to: output) ?? output.write(segments)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    input?.read(into: segments) ?? .wouldBlock
  }

  package func setWantsReadable(_ wanted: Bool) {
    input?.setWantsReadable(wanted)
  }

  package func setWantsWritable(_ wanted: Bool) {
    output.setWantsWritable(wanted)
  }

  package func stop() {
    input?.stop()
    output.stop()
    isConnected = false
    loop = nil
  }
}
