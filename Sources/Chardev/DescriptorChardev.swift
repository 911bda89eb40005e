import CKVM
import Glibc
import Host

/// A chardev on an inherited pipe, terminal, other device or file, in the directions it is open for.
///
/// Always connected. The end of input ends only that direction; output that nobody takes any more
/// is discarded and counted.
package final class DescriptorChardev: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename: String

  private let input: InputEnd?
  private let output: OutputEnd?
  private var loop: EventLoop?

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

  package func start(on loop: EventLoop) throws(SystemError) {
    try input?.start(on: loop) { [weak self] in
      if let self { delegate?.chardevIsReadable(self) }
    }
    try output?.start(on: loop) { [weak self] in
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
    // What an end without output is given, nobody could ever read.
    output?.write(segments) ?? .transferred(segments.byteCount)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    input?.read(into: segments) ?? .wouldBlock
  }

  package func setWantsReadable(_ wanted: Bool) { input?.setWantsReadable(wanted) }

  package func setWantsWritable(_ wanted: Bool) { output?.setWantsWritable(wanted) }

  package func stop() {
    input?.stop()
    output?.stop()
    isConnected = false
    loop = nil
  }
}
