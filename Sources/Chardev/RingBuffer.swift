import CKVM
import Glibc
import Host

/// A chardev that keeps the last bytes that were written to it, in memory, and never has input
/// (QEMU's `ringbuf`).
///
/// Always connected. A reader asks for the bytes from a position on, which is counted from the first
/// byte ever written: several may follow it at their own pace, and each learns what it has missed.
/// Apart from that, `read` consumes, once for all.
package final class RingBuffer: Chardev {
  /// Enough for any console, and no harm.
  package static let largestSize = 256 << 20
  private static let mostFollowers = 16

  /// A wish to be told of new bytes, until cancelled.
  package final class Observation {
    fileprivate var matcher: TextMatcher?
    /// Where the awaited text ended.
    fileprivate var found: UInt64?
    fileprivate var whenDue: ((UInt64) -> Void)?

    fileprivate init(_ matcher: TextMatcher?, _ whenDue: @escaping (UInt64) -> Void) {
      self.matcher = matcher
      self.whenDue = whenDue
    }

    /// Ends it: there are no calls from now on.
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

  // MARK: Readers

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

/// Passes on to a socket what a ring buffer holds and what comes to it. Consumes nothing; a client that
/// is too slow for the ring misses what the ring has lost.
final class RingBufferFollower {
  private static let chunkBytes = 64 << 10

  private let socket: Stream
  private let loop: EventLoop
  private weak var buffer: RingBuffer?
  private var position: UInt64
  private var token: EventLoop.Token?
  private var observation: RingBuffer.Observation?
  private(set) var hasEnded = false

  /// Passes on what there is at once, as far as it fits.
  init(
    _ buffer: RingBuffer, from position: UInt64, to socket: consuming FileDescriptor,
    on loop: EventLoop
  ) throws(SystemError) {
    self.socket = Stream(socket: socket)
    self.loop = loop
    self.buffer = buffer
    self.position = position
    // A client that sends to it is told at once that nothing is read.
    shutdown(self.socket.rawValue, Int32(SHUT_RD))
    token = try loop.register(self.socket.rawValue, interest: .hangup) { [weak self] readiness in
      if readiness.isDisjoint(with: [.hangup, .error]) { self?.pass() } else { self?.end() }
    }
    observation = buffer.follow { [weak self] _ in self?.pass() }
    pass()
  }

  deinit { end() }

  /// One piece; the next when there is room for it.
  private func pass() {
    guard let buffer, let token else { return }
    let (bytes, next) = buffer.bytes(from: position, limit: Self.chunkBytes)
    guard !bytes.isEmpty else { return loop.setInterest(.hangup, for: token) }
    switch bytes.withUnsafeBytes({ $0.asSegment { socket.write($0) } }) {
    case .transferred(let count): position = next &- UInt64(bytes.count - count)
    case .wouldBlock: break
    case .endOfFile, .failed: return end()
    }
    loop.setInterest(position < buffer.bytesWritten ? .writable : .hangup, for: token)
  }

  /// The ring's life ends: the socket gets what it takes at once, and then its end of file.
  func conclude() {
    pass()
    end()
  }

  private func end() {
    guard let token else { return }
    hasEnded = true
    self.token = nil
    observation?.cancel()
    loop.remove(token)
    shutdown(socket.rawValue, Int32(SHUT_RDWR))
  }
}

/// Finds a text in a stream that comes in pieces, wherever they are cut.
///
/// Knuth, Morris and Pratt's way: every byte is looked at once, and only how much of the text has
/// been seen is remembered.
struct TextMatcher {
  private let text: [UInt8]
  /// For each number of matched bytes, how many still match after the next one does not.
  private let fallbacks: [Int]
  private var matched = 0

  init(_ text: [UInt8]) {
    self.text = text
    var fallbacks = [Int](repeating: 0, count: text.count)
    var length = 0
    for index in text.indices.dropFirst() {
      while length > 0, text[index] != text[length] { length = fallbacks[length - 1] }
      if text[index] == text[length] { length += 1 }
      fallbacks[index] = length
    }
    self.fallbacks = fallbacks
  }

  /// Takes the next bytes; returns how many of them it took to complete the text, or nil if it is
  /// not complete.
  mutating func find(in bytes: some Collection<UInt8>) -> Int? {
    if text.isEmpty { return 0 }
    var taken = 0
    for byte in bytes {
      taken += 1
      while matched > 0, text[matched] != byte { matched = fallbacks[matched - 1] }
      if text[matched] == byte { matched += 1 }
      if matched == text.count {
        matched = 0
        return taken
      }
    }
    return nil
  }
}
