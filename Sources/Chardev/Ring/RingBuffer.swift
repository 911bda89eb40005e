import CKVM
import Glibc
import Host

/// A chardev that keeps the last bytes that were written to it, in memory, and never has input
/// (QEMU's `ringbuf`).
///
/// Always connected. Who reads it asks for the bytes from a position on, which is counted from the
/// first byte ever written: so several may follow it at their own pace, and each learns what it
/// has missed. Apart from that, `read` consumes, once for all.
package final class RingBuffer: Chardev {
  /// Enough for any console, and no harm.
  package static let largestSize = 256 << 20
  private static let mostFollowers = 16

  /// Somebody who wants to hear of new bytes, until cancelled.
  package final class Observation {
    fileprivate var matcher: TextMatcher?
    /// Where the awaited text ended.
    fileprivate var found: UInt64?
    fileprivate var whenDue: ((UInt64) -> Void)?

    fileprivate init(_ matcher: TextMatcher?, _ whenDue: @escaping (UInt64) -> Void) {
      self.matcher = matcher
      self.whenDue = whenDue
    }

    /// Ends it: nothing is heard from now on.
    package func cancel() { whenDue = nil }
  }

  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename = "ringbuf"

  private var ring: ByteRing
  /// What `read` has taken already ends here.
  private var consumed: UInt64 = 0
  private var observations: [Observation] = []
  private var followers: [RingBufferFollower] = []
  private lazy var telling = Deferred { [weak self] in self?.tell() }
  private let room = Watch(for: .writable)
  private var loop: EventLoop?

  /// - Parameter size: how many bytes it keeps, a power of two.
  package init(size: Int = 65536) throws(ChardevError) {
    // QEMU's words, since its users know them.
    guard size > 0, size & (size - 1) == 0 else {
      throw ChardevError(
        "size of ringbuf chardev must be power of two; \(size) is not, 65536 is")
    }
    guard size <= Self.largestSize else {
      throw ChardevError("size of ringbuf chardev is \(size); give \(Self.largestSize) at most")
    }
    ring = ByteRing(capacity: size)
  }

  // MARK: Who looks at it

  /// How many bytes have been written, ever; the position of the next one.
  package var bytesWritten: UInt64 { ring.end }

  /// What has been written and not been read, as far as it is still there.
  package var contents: [UInt8] { ring.bytes(from: consumed, limit: .max) }

  /// Takes the oldest bytes that have not been read (QEMU's `ringbuf-read`), up to `limit`.
  package func read(limit: Int) -> [UInt8] {
    let bytes = ring.bytes(from: consumed, limit: limit)
    consumed = max(consumed, ring.start) &+ UInt64(bytes.count)
    return bytes
  }

  /// Adds bytes as if the guest had written them (QEMU's `ringbuf-write`).
  package func write(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }

  /// The bytes from a position on, read or not, up to `limit`, and the position behind them. Bytes
  /// that are gone already are left out: as many as the result is shorter than the way there.
  package func bytes(
    from position: UInt64, limit: Int = .max
  ) -> (bytes: [UInt8], next: UInt64) {
    let bytes = ring.bytes(from: position, limit: limit)
    return (bytes, min(max(position, ring.start), ring.end) &+ UInt64(bytes.count))
  }

  /// Calls back from the event loop after bytes have been written, once for many, with the position
  /// behind the newest one.
  package func follow(_ whenGrown: @escaping (UInt64) -> Void) -> Observation {
    observe(Observation(nil, whenGrown))
  }

  /// Calls back once from the event loop when a text has been written, with the position behind it.
  ///
  /// - Parameters:
  ///   - position: where to begin looking; by default with what has not been read.
  package func wait(
    for text: [UInt8], from position: UInt64? = nil, whenFound: @escaping (UInt64) -> Void
  ) -> Observation {
    let observation = observe(Observation(TextMatcher(text), whenFound))
    let (bytes, next) = bytes(from: position ?? consumed)
    search(observation, in: bytes, from: next &- UInt64(bytes.count))
    if observation.found != nil { telling.post(on: loop) }
    return observation
  }

  /// A connection that brings what has not been read, and then what comes, until the machine ends.
  func openFollower() throws(ChardevError) -> FileDescriptor {
    followers.removeAll { $0.hasEnded }
    guard let loop else { throw ChardevError("the machine does not run") }
    guard followers.count < Self.mostFollowers else {
      throw ChardevError("\(followers.count) follow it already")
    }
    do throws(SystemError) {
      let (own, its) = try FileDescriptor.socketPair()
      let connection = FileDescriptor(owning: its)
      followers.append(
        try RingBufferFollower(
          self, from: consumed, to: FileDescriptor(owning: own), on: loop))
      return connection
    } catch {
      throw ChardevError(error.description)
    }
  }

  private func observe(_ observation: Observation) -> Observation {
    observations.removeAll { $0.whenDue == nil }
    observations.append(observation)
    return observation
  }

  private func append(_ bytes: UnsafeRawBufferPointer) {
    let position = ring.end
    ring.append(bytes)
    guard !observations.isEmpty, !bytes.isEmpty else { return }
    for observation in observations { search(observation, in: bytes, from: position) }
    telling.post(on: loop)
  }

  private func search(
    _ observation: Observation, in bytes: some Collection<UInt8>, from position: UInt64
  ) {
    guard observation.found == nil, let count = observation.matcher?.find(in: bytes) else { return }
    observation.found = position &+ UInt64(count)
  }

  private func tell() {
    for observation in observations {
      guard observation.matcher == nil || observation.found != nil else { continue }
      let whenDue = observation.whenDue
      if observation.matcher != nil { observation.cancel() }
      whenDue?(observation.found ?? ring.end)
    }
    observations.removeAll { $0.whenDue == nil }
  }

  // MARK: The chardev

  package func start(on loop: EventLoop) throws(SystemError) {
    try room.begin(nil, on: loop) { [weak self] in
      if let self { delegate?.chardevIsWritable(self) }
    }
    self.loop = loop
    telling.post(on: loop)
    loop.post { [weak self] in
      guard let self, self.loop != nil else { return }
      isConnected = true
      delegate?.chardevDidConnect(self)
    }
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    let count = segments.byteCount
    segments.forEachPiece(limit: count) { append($0) }
    return .transferred(count)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult { .wouldBlock }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    if condition.contains(.writable) { room.setWanted(isWanted) }
  }

  package func stop() {
    loop = nil
    for follower in followers { follower.conclude() }
    followers = []
    room.end()
    isConnected = false
  }
}
