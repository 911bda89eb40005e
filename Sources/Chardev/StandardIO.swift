import CKVM
import Glibc
import Host

/// A chardev on the program's standard input and output: the console's keyboard and screen, or a
/// pipe, a file, `/dev/null`.
///
/// Always connected. The end of input ends only that direction; output that nobody takes any more
/// is discarded and counted. Neither descriptor's mode is changed, see `SharedDescriptor`; raw mode
/// is `Terminal`'s matter.
package final class StandardIO: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename = "stdio"

  private let input: InputEnd
  private let output: OutputEnd
  private var loop: EventLoop?
  /// The size as the delegate knows it.
  private var knownSize: Terminal.Size?

  /// - Parameters:
  ///   - input: a descriptor open for reading; stays the caller's.
  ///   - output: a descriptor open for writing; stays the caller's.
  package init(
    input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO
  ) throws(SystemError) {
    SignalSource.ignoreWriteFailures()
    self.input = InputEnd(try SharedDescriptor(input, access: O_RDONLY))
    self.output = OutputEnd(
      name: "standard output", try SharedDescriptor(output, access: O_WRONLY))
    knownSize = self.output.windowSize
  }

  /// Whether the input has come to its end.
  package var hasInputEnded: Bool { input.hasEnded }
  /// Bytes read.
  package var bytesRead: UInt64 { input.bytesRead }
  /// Reads that failed; each is tried again after a rest.
  package var readErrors: UInt64 { input.readErrors }
  /// Bytes that went out.
  package var bytesWritten: UInt64 { output.bytesWritten }
  /// Bytes that could not be written, for good.
  package var bytesDiscarded: UInt64 { output.bytesDiscarded }

  package func start(on loop: EventLoop) throws(SystemError) {
    try input.start(on: loop) { [weak self] in
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
    output.write(segments)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    input.read(into: segments)
  }

  package func setWantsReadable(_ wanted: Bool) {
    input.setWantsReadable(wanted)
  }

  package func setWantsWritable(_ wanted: Bool) {
    output.setWantsWritable(wanted)
  }

  package var windowSize: (columns: UInt16, rows: UInt16)? {
    knownSize.map { ($0.columns, $0.rows) }
  }

  package func windowSizeMayHaveChanged() {
    guard let size = output.windowSize, size != knownSize else { return }
    knownSize = size
    delegate?.chardevDidResize(self)
  }

  package func stop() {
    input.stop()
    output.stop()
    isConnected = false
    loop = nil
  }
}
