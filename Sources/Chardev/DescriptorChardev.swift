import CKVM
import Glibc
import Host

/// A chardev on an inherited pipe, terminal, other device or file, in the directions it is open for.
package final class DescriptorChardev: TwoEndedChardev {
  package weak var delegate: (any ChardevDelegate)?
  package let filename: String
  package let input: InputEnd?
  package let output: OutputEnd?
  package let presence = AlwaysConnected()

  /// The descriptor is used as others may be sharing it, see `SharedDescriptor`.
  init(
    _ descriptor: consuming FileDescriptor, isReadable: Bool, isWritable: Bool, filename: String
  ) throws(SystemError) {
    SignalSource.ignoreWriteFailures()
    self.filename = filename
    let number = descriptor.rawValue
    input = isReadable ? InputEnd(try SharedDescriptor(number, access: O_RDONLY)) : nil
    output =
      isWritable
      ? OutputEnd(name: filename, try SharedDescriptor(number, access: O_WRONLY)) : nil
  }
}
