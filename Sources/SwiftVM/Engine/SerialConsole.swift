import Chardev
import Devices
import Glibc
import Host
import VirtioConsole

/// COM1 and its backend: output is buffered between the vCPU that transmits and the loop that
/// writes, input is read only while the UART has room. Without a UART, output alone.
///
/// The buffer is bounded, and a vCPU does not wait for the backend unless configured to: what does not fit
/// is dropped and counted. Lives on the loop's thread but for `write` and the UART's two closures.
final class SerialConsole: ChardevDelegate, @unchecked Sendable {
  /// Output waiting for the backend, at most.
  private static let capacity = 1 << 20
  /// Bytes of one write.
  private static let batchBytes = 256 << 10

  private struct Output {
    var bytes: [UInt8] = []
    var isDraining = false
    var dropped: UInt64 = 0
    var messages = KernelMessageReader()
    /// vCPUs wait where there is no room.
    var holdsWriters = false

    var isFull: Bool { bytes.count >= capacity }
  }

  /// Nil swallows output and gives no input.
  let chardev: (any Chardev)?
  /// Told on the loop's thread that the guest has printed something.
  var onOutput: () -> Void = {}
  private let output = Lock(Output())
  private let loop: EventLoop
  private let remote: LoopHandle
  private let waitsForReader: Bool
  private let faults: KernelFaultRecord
  private var uart: UART?
  /// Taken from the buffer and not yet written; from `written` on.
  private var pending: [UInt8] = []
  private var written = 0
  private lazy var nextDrain = Deferred { [weak self] in self?.drain() }
  /// Of what has left the buffer, and of the input.
  private var passed = PortStatistics(number: 0, name: nil)

  /// - Parameters:
  ///   - waitsForReader: whether a vCPU waits where the buffer is full, in place of dropping.
  ///   - faults: what the guest's kernel tells of itself is noted there, at once.
  init(
    _ chardev: (any Chardev)?, waitsForReader: Bool = false, loop: EventLoop,
    faults: KernelFaultRecord
  ) {
    self.chardev = chardev
    self.waitsForReader = waitsForReader
    self.loop = loop
    remote = loop.remote
    self.faults = faults
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
    output.withLock { $0.messages = KernelMessageReader() }
    holdWriters()
    remote.post { [weak self] in self?.feed() }
    return uart
  }

  /// Forgets the UART of a machine that is gone, and with it that machine's memory.
  func removeUART() { uart = nil }

  /// Output that did not fit into the buffer.
  var droppedByteCount: UInt64 { output.withLock { $0.dropped } }

  /// What the guest printed, what became of it, and how much input it got. A backend without clients that
  /// come and go has always been connected.
  var statistics: PortStatistics {
    var statistics = passed
    statistics.isConsole = true
    statistics.isOpenInGuest = true
    statistics.isOpenOnHost = chardev?.isConnected ?? false
    statistics.bytesDropped &+= droppedByteCount
    return statistics
  }

  // MARK: The end

  /// Writes what waits, as far as the backend takes it now and there is time; returns whether it may still
  /// take more. For a guest that prints nothing any more.
  func flush() -> Bool {
    drain()
    return written < pending.count || chardev?.outputStatus.hasUnsentBytes == true
  }

  /// Flushes for the last time, and counts the rest as dropped. Warns of what is lost of the output, and
  /// returns whether anything is.
  func conclude(_ name: String) -> Bool {
    let isUntaken = flush()
    if isUntaken { Log.warning("the rest of the \(name) is lost") }
    let dropped = droppedByteCount
    if dropped > 0 { Log.warning("\(dropped) bytes of the \(name) were dropped") }
    let rest = output.withLock { output in
      defer { output.bytes = [] }
      return output.bytes.count
    }
    passed.bytesDropped &+= UInt64(rest + pending.count - written)
    (pending, written) = ([], 0)
    return isUntaken || dropped > 0
  }

  /// Bytes that the backend has taken, and those of them that wait for their reader, as far as the
  /// host tells.
  var progress: [UInt64] {
    [passed.bytesToHost, UInt64(clamping: chardev?.outputStatus.unreadByteCount ?? 0)]
  }

  // MARK: Output

  /// Puts a byte into the buffer, after waiting for room if so configured. Callable on any thread but the
  /// loop's.
  func write(_ byte: UInt8) {
    faults.note(output.withLock { $0.messages.read(byte) })
    guard chardev != nil else { return }
    while !put(byte) { output.wait { !$0.isFull || !$0.holdsWriters } }
  }

  /// Returns whether the byte has been put into the buffer, or dropped.
  private func put(_ byte: UInt8) -> Bool {
    var mustWake = false
    let isDone = output.withLock { output in
      // A vCPU that is let go may add the rest of its access: a page, of a string instruction.
      guard !output.isFull || waitsForReader else {
        output.dropped &+= 1
        return true
      }
      guard !output.isFull || !output.holdsWriters else { return false }
      output.bytes.append(byte)
      mustWake = !output.isDraining
      output.isDraining = true
      return true
    }
    if mustWake { remote.post { [weak self] in self?.drain() } }
    return isDone
  }

  /// Lets vCPUs that wait for room go on without: they are to leave the guest.
  func letWritersGo() { output.withLock { $0.holdsWriters = false } }

  /// Has vCPUs wait for room from now on, if so configured.
  func holdWriters() { output.withLock { $0.holdsWriters = waitsForReader } }

  /// Writes what the backend takes. A guest may print as fast as that, so the loop's other work gets its
  /// turn.
  private func drain() {
    guard let chardev else { return }
    onOutput()
    repeat {
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
        return chardev.setInterest(.writable, false)
      }
      switch writePending(to: chardev) {
      case .transferred(let count):
        written += count
        passed.bytesToHost &+= UInt64(count)
      case .lost(let count):
        written += count
        passed.bytesDropped &+= UInt64(count)
      case .wouldBlock: return chardev.setInterest(.writable, true)
      case .disconnected:
        passed.bytesDiscarded &+= UInt64(pending.count - written)
        written = pending.count
      }
    } while remote.clock.hasTime()
    nextDrain.post(on: loop)
  }

  private func writePending(to chardev: any Chardev) -> TransferResult {
    pending.withUnsafeBytes { bytes in
      let rest = bytes[written...].prefix(min(Self.batchBytes, chardev.limits.call))
      return UnsafeRawBufferPointer(rebasing: rest).asSegment { chardev.write($0) }
    }
  }

  // MARK: Input

  private func feed() {
    guard let chardev, let uart else { return }
    let space = uart.inputSpace()
    guard space > 0 else { return chardev.setInterest(.readable, false) }
    var bytes = [UInt8](repeating: 0, count: space)
    let result = bytes.withUnsafeMutableBytes {
      UnsafeRawBufferPointer($0).asSegment { chardev.read(into: $0) }
    }
    if case .transferred(let count) = result {
      passed.bytesToGuest &+= UInt64(count)
      _ = uart.receive(bytes.prefix(count))
    }
    chardev.setInterest(.readable, result != .disconnected)
  }

  func chardevDidConnect(_ chardev: any Chardev) {
    passed.connectionCount &+= 1
    feed()
    drain()
  }

  func chardevDidDisconnect(_ chardev: any Chardev) {}
  func chardevIsReadable(_ chardev: any Chardev) { feed() }
  func chardevIsWritable(_ chardev: any Chardev) { drain() }
  func chardevDidReceiveBreak(_ chardev: any Chardev) { uart?.receiveBreak() }
}
