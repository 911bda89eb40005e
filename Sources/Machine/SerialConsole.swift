import CKVM
import Chardev
import Devices
import Glibc
import Host
import Synchronization

/// COM1 and its host end: output is buffered between the vCPU that transmits and the loop that
/// writes, input is read only while the UART has room. Without a UART, output alone.
///
/// The buffer is bounded, and a vCPU never waits for the host end: what does not fit is dropped and
/// counted. Lives on the loop's thread but for `write` and the UART's two closures.
final class SerialConsole: ChardevDelegate, @unchecked Sendable {
  /// Output waiting for the host end, at most.
  private static let capacity = 1 << 20

  private struct Output {
    var bytes: [UInt8] = []
    var isDraining = false
    var dropped: UInt64 = 0
  }

  private let output = Mutex(Output())
  private let remote: EventLoop.Remote
  private let chardev: (any Chardev)?
  private var uart: UART?
  /// Taken from the buffer and not yet written; from `written` on.
  private var pending: [UInt8] = []
  private var written = 0

  /// - Parameter chardev: nil swallows output and gives no input.
  init(chardev: (any Chardev)?, remote: EventLoop.Remote) {
    self.chardev = chardev
    self.remote = remote
    chardev?.delegate = self
  }

  /// A fresh UART for a machine that boots; input goes there from now on.
  func makeUART(interrupt: any InterruptLine) -> UART {
    let uart = UART(
      interrupt: interrupt, output: { [weak self] in self?.write($0) },
      onInputSpace: { [weak self] in
        self?.remote.post { [weak self] in self?.feed() }
      })
    self.uart = uart
    remote.post { [weak self] in self?.feed() }
    return uart
  }

  /// Forgets the UART of a machine that is gone, and with it that machine's memory.
  func removeUART() { uart = nil }

  /// Output that nobody took.
  var droppedByteCount: UInt64 { output.withLock { $0.dropped } }

  /// Writes what is waiting, as far as the host end takes it now; returns whether it may still take
  /// more. At the end, when nothing is added any more.
  func flush() -> Bool {
    drain(turns: Self.capacity)
    return written < pending.count || chardev?.hasUnsentBytes == true
  }

  // MARK: Output

  /// Puts a byte into the buffer. Callable on any thread.
  func write(_ byte: UInt8) {
    guard chardev != nil else { return }
    let mustWake = output.withLock { output in
      guard output.bytes.count < Self.capacity else {
        output.dropped &+= 1
        return false
      }
      output.bytes.append(byte)
      defer { output.isDraining = true }
      return !output.isDraining
    }
    if mustWake { remote.post { [weak self] in self?.drain() } }
  }

  /// A guest may print as fast as the host end takes it, so the loop's other work gets its turn
  /// after so many buffers.
  private func drain(turns: Int = 16) {
    guard let chardev else { return }
    for _ in 0..<turns {
      if written == pending.count {
        pending.removeAll(keepingCapacity: true)
        written = 0
        output.withLock { swap(&$0.bytes, &pending) }
      }
      guard written < pending.count else {
        let isEmpty = output.withLock { output in
          output.isDraining = !output.bytes.isEmpty
          return output.bytes.isEmpty
        }
        guard isEmpty else { continue }
        return chardev.setWantsWritable(false)
      }
      switch writePending(to: chardev) {
      case .transferred(let count): written += count
      case .wouldBlock: return chardev.setWantsWritable(true)
      case .disconnected: written = pending.count
      }
    }
    remote.post { [weak self] in self?.drain() }
  }

  private func writePending(to chardev: any Chardev) -> TransferResult {
    pending.withUnsafeMutableBytes { bytes in
      let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[written...])
      let segment = iovec(iov_base: rest.baseAddress, iov_len: rest.count)
      return withUnsafePointer(to: segment) {
        chardev.write(UnsafeBufferPointer(start: $0, count: 1))
      }
    }
  }

  // MARK: Input

  private func feed() {
    guard let chardev, let uart else { return }
    let space = uart.inputSpace()
    guard space > 0 else { return chardev.setWantsReadable(false) }
    var bytes = [UInt8](repeating: 0, count: space)
    let result = bytes.withUnsafeMutableBytes { buffer in
      let segment = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
      return withUnsafePointer(to: segment) {
        chardev.read(into: UnsafeBufferPointer(start: $0, count: 1))
      }
    }
    if case .transferred(let count) = result { _ = uart.receive(bytes.prefix(count)) }
    chardev.setWantsReadable(result != .disconnected)
  }

  func chardevDidConnect(_ chardev: any Chardev) {
    feed()
    drain()
  }

  func chardevDidDisconnect(_ chardev: any Chardev) {}
  func chardevIsReadable(_ chardev: any Chardev) { feed() }
  func chardevIsWritable(_ chardev: any Chardev) { drain() }
  func chardevDidReceiveBreak(_ chardev: any Chardev) { uart?.receiveBreak() }
}
