import CKVM
import Glibc
import Host

/// The reading half of a chardev whose input is a terminal, pipe or file. After its end, nothing is
/// watched any more.
package final class InputEnd {
  /// How long reading rests after an error. `EIO` comes on every read of a terminal by a process
  /// in its background, which may be in the foreground again later.
  private static let restMilliseconds = 1000

  private let descriptor: SharedDescriptor
  private var loop: EventLoop?
  private var watch: WatchedDescriptor?
  private var rest: EventLoop.Timer?
  private var isWanted = false
  private(set) var hasEnded = false
  private(set) var bytesRead: UInt64 = 0
  private(set) var readErrors: UInt64 = 0

  init(_ descriptor: consuming SharedDescriptor) {
    self.descriptor = descriptor
  }

  func start(on loop: EventLoop, whenReadable: @escaping () -> Void) throws(SystemError) {
    watch = try WatchedDescriptor(
      descriptor.rawValue, for: .readable, on: loop, callBack: whenReadable)
    self.loop = loop
    update()
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard !hasEnded, rest == nil else { return .wouldBlock }
    switch descriptor.read(into: segments) {
    case .transferred(let count):
      bytesRead &+= UInt64(count)
      return .transferred(count)
    case .wouldBlock:
      break
    case .endOfFile:
      hasEnded = true
      update()
    case .failed:
      readErrors &+= 1
      rest = loop?.after(milliseconds: InputEnd.restMilliseconds) { [weak self] in
        self?.rest = nil
        self?.update()
      }
      update()
    }
    return .wouldBlock
  }

  func setWantsReadable(_ wanted: Bool) {
    isWanted = wanted
    update()
  }

  func stop() {
    rest?.cancel()
    rest = nil
    watch?.cancel()
    watch = nil
    loop = nil
  }

  private func update() {
    watch?.setWanted(isWanted && !hasEnded && rest == nil)
  }
}
