import CKVM
import Glibc
import Host

/// The writing half of a chardev whose output goes to a file or terminal.
///
/// What cannot be written for good (disk full, reader gone) is lost, since the guest shall not stand
/// still for it.
package final class OutputEnd {
  private let name: String
  private var descriptor: SharedDescriptor
  private let log = RateLimitedLog(linesPerSecond: 1)
  private var watch: WatchedDescriptor?
  private(set) var bytesWritten: UInt64 = 0
  private(set) var bytesDiscarded: UInt64 = 0

  /// - Parameter name: what to call this in a message.
  init(name: String, _ descriptor: consuming SharedDescriptor) {
    self.name = name
    self.descriptor = descriptor
  }

  func start(on loop: EventLoop, whenWritable: @escaping () -> Void) throws(SystemError) {
    watch = try WatchedDescriptor(
      descriptor.rawValue, for: .writable, on: loop, callBack: whenWritable)
  }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    switch descriptor.write(segments) {
    case .transferred(let count):
      bytesWritten &+= UInt64(count)
      return .transferred(count)
    case .wouldBlock, .endOfFile:
      return .wouldBlock
    case .failed(let reason):
      let count = segments.byteCount
      bytesDiscarded &+= UInt64(count)
      log.warning("\(SystemError(name, errno: reason)); output is lost")
      return .lost(count)
    }
  }

  /// Bytes in the pipe, or on their way to the terminal; 0 for what has neither.
  var unreadByteCount: Int {
    var count: Int32 = 0
    // For pipes the one, which a terminal would answer with its input, for terminals the other.
    if ioctl(descriptor.rawValue, UInt(TIOCOUTQ), &count) == 0 { return Int(count) }
    return ioctl(descriptor.rawValue, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
  }

  /// The number of what is written to, to ask about it.
  var descriptorNumber: Int32 { descriptor.rawValue }

  /// Goes on with another file, one that is always ready as the former.
  func replaceDescriptor(by other: consuming SharedDescriptor) {
    descriptor = other
  }

  /// The size of the terminal that is written to, if it is one.
  var windowSize: Terminal.Size? { Terminal.size(of: descriptor.rawValue) }

  func setWantsWritable(_ wanted: Bool) {
    watch?.setWanted(wanted)
  }

  func stop() {
    watch?.cancel()
    watch = nil
  }
}
