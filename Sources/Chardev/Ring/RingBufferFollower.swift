import CKVM
import Glibc
import Host

/// Passes on to a socket what a ring buffer holds and what comes to it. Consumes nothing; whoever is
/// too slow for the ring misses what the ring has lost.
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
    // Who sends to it is told at once that nobody listens.
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
