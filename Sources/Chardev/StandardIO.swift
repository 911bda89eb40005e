import CKVM
import Glibc
import Host

/// A chardev on the program's standard input and output: the console's keyboard and screen, or a
/// pipe, a file, `/dev/null`.
///
/// Neither descriptor's mode is changed, see `SharedDescriptor`; raw mode is `Terminal`'s matter.
package final class StandardIO: TwoEndedChardev, ChardevTerminal {
  package weak var delegate: (any ChardevDelegate)?
  package let filename = "stdio"
  package let input: InputEnd?
  package let output: OutputEnd?
  package let presence = AlwaysConnected()
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
    let output = OutputEnd(
      name: "standard output", try SharedDescriptor(output, access: O_WRONLY))
    self.output = output
    knownSize = output.windowSize
  }

  /// Bytes read.
  package var bytesRead: UInt64 { input?.bytesRead ?? 0 }
  /// Reads that failed; each is tried again after a rest.
  package var readErrors: UInt64 { input?.readErrors ?? 0 }

  package var terminal: (any ChardevTerminal)? { self }
  package var windowSize: Terminal.Size? { knownSize }

  package func windowSizeMayHaveChanged() {
    guard let size = output?.windowSize, size != knownSize else { return }
    knownSize = size
    delegate?.chardevDidResize(self)
  }
}
