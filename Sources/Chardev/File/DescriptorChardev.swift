import CKVM
import Glibc
import Host

/// A chardev whose directions are descriptors of their own, there from the start to the end: files,
/// named pipes, the process's standard input and output, or what the process has inherited. Either
/// may be missing.
///
/// Always connected. The end of the input ends that direction alone. What can never be written is
/// discarded and counted.
package final class DescriptorChardev: Chardev, ChardevTerminal {
  package weak var delegate: (any ChardevDelegate)?
  package let filename: String
  package private(set) var isConnected = false
  package private(set) var windowSize: Terminal.Size?

  let input: InputEnd?
  let output: OutputEnd?
  private let hasWindow: Bool
  private var loop: EventLoop?

  /// - Parameter hasWindow: whether the output may be a terminal whose size matters.
  init(filename: String, input: InputEnd?, output: OutputEnd?, hasWindow: Bool = false) {
    SignalSource.ignoreWriteFailures()
    self.filename = filename
    self.input = input
    self.output = output
    self.hasWindow = hasWindow
    windowSize = hasWindow ? output?.windowSize : nil
  }

  /// The program's standard input and output: the console's keyboard and screen, or a pipe, a file,
  /// `/dev/null`. Neither descriptor's mode is changed, see `Stream`; raw mode is `Terminal`'s matter.
  ///
  /// - Parameters:
  ///   - input: a descriptor open for reading; stays the caller's.
  ///   - output: a descriptor open for writing; stays the caller's.
  package convenience init(
    standardInput input: Int32 = STDIN_FILENO, standardOutput output: Int32 = STDOUT_FILENO
  ) throws(SystemError) {
    self.init(
      filename: "stdio", input: InputEnd(try Stream(sharing: input, access: O_RDONLY)),
      output: OutputEnd(name: "standard output", try Stream(sharing: output, access: O_WRONLY)),
      hasWindow: true)
  }

  /// An inherited pipe, terminal, other device or file, in the directions it is open for. The
  /// descriptor is used as others may be sharing it.
  convenience init(
    inheriting descriptor: consuming FileDescriptor, isReadable: Bool, isWritable: Bool,
    filename: String
  ) throws(SystemError) {
    let number = descriptor.rawValue
    self.init(
      filename: filename,
      input: isReadable ? InputEnd(try Stream(sharing: number, access: O_RDONLY)) : nil,
      output: isWritable
        ? OutputEnd(name: filename, try Stream(sharing: number, access: O_WRONLY)) : nil)
  }

  package func start(on loop: EventLoop) throws(SystemError) {
    try input?.begin(on: loop) { [weak self] in
      if let self { delegate?.chardevIsReadable(self) }
    }
    try output?.begin(on: loop) { [weak self] in
      if let self { delegate?.chardevIsWritable(self) }
    }
    self.loop = loop
    loop.post { [weak self] in
      guard let self, self.loop != nil else { return }
      isConnected = true
      delegate?.chardevDidConnect(self)
    }
  }

  /// Without an output, what is written is lost.
  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    output?.write(segments) ?? .lost(segments.byteCount)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    input?.read(into: segments) ?? .wouldBlock
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    if condition.contains(.readable) { input?.setWanted(isWanted) }
    if condition.contains(.writable) { output?.setWanted(isWanted) }
  }

  package func stop() {
    input?.end()
    output?.end()
    isConnected = false
    loop = nil
  }

  package var limits: WriteLimits { WriteLimits(call: output?.fileSize ?? .max) }

  package var outputStatus: OutputStatus {
    OutputStatus(unreadByteCount: output?.unreadByteCount ?? 0)
  }

  package var terminal: (any ChardevTerminal)? { hasWindow ? self : nil }

  package func windowSizeMayHaveChanged() {
    guard hasWindow, let size = output?.windowSize, size != windowSize else { return }
    windowSize = size
    delegate?.chardevDidResize(self)
  }
}
