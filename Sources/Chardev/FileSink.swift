import CKVM
import Glibc
import Host

/// Why a file cannot be written to. The description says what is wrong and what helps; it leaves
/// naming the option to the caller.
package struct FileSinkError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The path as given.
  package let path: String
  /// The call that failed.
  package let cause: SystemError

  package var description: String {
    switch cause.errno {
    case ENOENT: "'\(path)': no such directory; create it or choose another path"
    case EISDIR: "'\(path)' is a directory; name a file"
    case ENXIO: "named pipe '\(path)' has no reader; start one first"
    default: "'\(path)': \(cause.reason); choose a file you may write to"
    }
  }
}

/// A chardev whose output goes to a file and which has no input.
///
/// Always connected. What cannot be written (disk full) is discarded and counted.
package final class FileSink: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename = "file"

  private let output: OutputEnd
  private var loop: EventLoop?

  /// Creates the file, or empties the one that is there.
  package init(path: String) throws(FileSinkError) {
    SignalSource.ignoreBrokenPipe()
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
    let descriptor: FileDescriptor
    do {
      descriptor = FileDescriptor(owning: try systemCall("open") { open(path, flags, 0o666) })
    } catch {
      throw FileSinkError(path: path, cause: error)
    }
    output = OutputEnd(name: path, SharedDescriptor(owning: descriptor))
  }

  /// Bytes that reached the file.
  package var bytesWritten: UInt64 { output.bytesWritten }
  /// Bytes that could not be written, for good.
  package var bytesDiscarded: UInt64 { output.bytesDiscarded }

  package func start(on loop: EventLoop) throws(SystemError) {
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
    output.write(segments)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    .wouldBlock
  }

  package func setWantsReadable(_ wanted: Bool) {}

  package func setWantsWritable(_ wanted: Bool) {
    output.setWantsWritable(wanted)
  }

  package func stop() {
    output.stop()
    isConnected = false
    loop = nil
  }
}
