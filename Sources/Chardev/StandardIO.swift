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
  private var escape: EscapeKey?
  private let whenEnded: () -> Void
  private var loop: EventLoop?
  /// The size as the delegate knows it.
  private var knownSize: Terminal.Size?
  /// Where typed bytes are looked at for escapes; a person types less at a time.
  private let typed = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 1)

  /// - Parameters:
  ///   - input: a descriptor open for reading; stays the caller's.
  ///   - output: a descriptor open for writing; stays the caller's.
  ///   - escape: filters what is typed for the keys of `EscapeKey`; nil passes all bytes.
  ///   - whenEnded: called from the event loop when the user types Ctrl-A x.
  package init(
    input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO, escape: EscapeKey? = nil,
    whenEnded: @escaping () -> Void = {}
  ) throws(SystemError) {
    SignalSource.ignoreBrokenPipe()
    self.input = InputEnd(try SharedDescriptor(input, access: O_RDONLY))
    self.output = OutputEnd(
      name: "standard output", try SharedDescriptor(output, access: O_WRONLY))
    self.escape = escape
    self.whenEnded = whenEnded
    knownSize = self.output.windowSize
  }

  deinit {
    typed.deallocate()
  }

  /// Whether the input has come to its end.
  package var hasInputEnded: Bool { input.hasEnded }
  /// Bytes read, escapes included.
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
    if escape == nil { return input.read(into: segments) }
    let room = segments.reduce(0) { $0 &+ $1.iov_len }
    var segment = iovec(iov_base: typed.baseAddress, iov_len: min(room, typed.count))
    let result = withUnsafePointer(to: &segment) {
      input.read(into: UnsafeBufferPointer(start: $0, count: 1))
    }
    guard case .transferred(let count) = result else { return result }
    let kept = filter(count)
    // What is left need not be readable again: the loop says so if it is.
    guard kept > 0 else { return .wouldBlock }
    copyTyped(kept, to: segments)
    return .transferred(kept)
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

  /// Acts on the escapes among the first `count` typed bytes; moves the others to the front and
  /// returns how many they are.
  private func filter(_ count: Int) -> Int {
    var kept = 0
    for index in 0..<count {
      switch escape?.action(for: typed[index]) {
      case .pass(let byte):
        typed[kept] = byte
        kept += 1
      case .end: loop?.post(whenEnded)
      case .help: printHelp()
      case .ignore, nil: break
      }
    }
    return kept
  }

  private func copyTyped(_ count: Int, to segments: UnsafeBufferPointer<iovec>) {
    var done = 0
    for segment in segments where done < count {
      let part = min(segment.iov_len, count - done)
      guard part > 0, let source = typed.baseAddress else { continue }
      segment.iov_base.copyMemory(from: source + done, byteCount: part)
      done += part
    }
  }

  private func printHelp() {
    var text = EscapeKey.help
    text.withUTF8 { bytes in
      let start = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(bytes.baseAddress))
      let segment = iovec(iov_base: start, iov_len: bytes.count)
      withUnsafePointer(to: segment) {
        // A screen that takes no more now does without.
        _ = output.write(UnsafeBufferPointer(start: $0, count: 1))
      }
    }
  }
}
