import Glibc
import Host

/// The other end of one connection, and how far it has come to an end.
///
/// The directions end apart. A peer that only stops writing (`SHUT_WR`) still gets the guest's
/// output; one that only stops reading is still read. Gone in both directions, it stays until its
/// bytes are read. Over TCP a peer that is gone looks like one that only stops writing, so the end
/// of its output is its end.
final class SocketPeer {
  private let stream: Stream
  /// Whether the end of what the peer writes is the peer's end.
  private let leavesWithItsOutput: Bool
  /// Set while the event loop watches the connection.
  var token: EventLoop.Token?

  /// The peer has closed both directions.
  private(set) var isHungUp = false
  /// Gone, and nothing of it is unread.
  private(set) var isFinished = false
  private var hasInputEnded = false
  private var hasOutputEnded = false
  /// What the peer gets before anything else, from `prefaceStart` on.
  private var preface: [UInt8] = []
  private var prefaceStart = 0
  private let liveness: PeerLiveness?

  /// Takes over a connected socket in non-blocking mode.
  init(_ socket: consuming FileDescriptor, isPacketed: Bool = false) {
    let number = socket.rawValue
    let family = SocketAddress.local(of: number)?.family ?? AF_UNIX
    leavesWithItsOutput = family != AF_UNIX
    liveness = family == AF_UNIX ? nil : PeerLiveness(number)
    stream = Stream(socket: socket, isPacketed: isPacketed)
  }

  deinit { stream.discardInput() }

  /// The peer is served by this loop from now on, and gets these bytes before all others.
  func begin(on loop: EventLoop, preface: [UInt8] = []) {
    liveness?.begin(on: loop)
    self.preface = preface
  }

  /// Whether bytes wait for the peer to take them, and how many.
  var hasPreface: Bool { prefaceByteCount > 0 }
  var prefaceByteCount: Int {
    hasOutputEnded || isFinished ? 0 : preface.count - prefaceStart
  }

  var descriptor: Int32 { stream.rawValue }

  /// Whether a part of a packet waits that the front end had no room for.
  var hasPacketRest: Bool { stream.hasPacketRest }

  /// In QEMU's words: `tcp:127.0.0.1:4444,server=on <-> 127.0.0.1:51234`; nil where the peer has no
  /// address of its own.
  func filename(role: String) -> String? {
    guard leavesWithItsOutput, let local = SocketAddress.local(of: descriptor),
      let peer = SocketAddress.peer(of: descriptor)
    else { return nil }
    return "tcp:\(local.text)\(role) <-> \(peer.text)"
  }

  /// Looks whether the peer has left, and whether it left anything.
  func examine() {
    if !isHungUp {
      isHungUp = leavesWithItsOutput ? stream.hasPeerEnded : stream.isHungUp
    }
    if isHungUp, !stream.hasUnreadBytes { isFinished = true }
  }

  /// What to watch for, where `wanted` is wanted. Once the peer is gone, only the wish to read what it left keeps the
  /// descriptor watched, since its hang-up would be reported for ever.
  func interest(_ wanted: EventLoop.Interest) -> EventLoop.Interest {
    if isFinished { return [] }
    var interest: EventLoop.Interest = []
    if !isHungUp { interest = leavesWithItsOutput ? [.hangup, .endOfInput] : .hangup }
    if wanted.contains(.readable), !hasInputEnded { interest.insert(.readable) }
    if wanted.contains(.writable) || hasPreface, !hasOutputEnded, !isHungUp {
      interest.insert(.writable)
    }
    return interest
  }

  /// The peer reads its end of file after what was written.
  func endOutput() {
    guard !hasOutputEnded, !isFinished else { return }
    hasOutputEnded = true
    stream.endOutput()
  }

  /// Treats the peer as gone, whatever it still sends.
  func finish() { isFinished = true }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    flushPreface()
    if hasOutputEnded || isFinished { return .disconnected }
    return hasPreface ? .wouldBlock : send(segments)
  }

  /// Writes what the peer takes of the bytes that come before all others.
  func flushPreface() {
    while hasPreface {
      let result = preface.withUnsafeBytes { bytes in
        UnsafeRawBufferPointer(rebasing: bytes[prefaceStart...]).asSegment { send($0) }
      }
      guard case .transferred(let count) = result else { return }
      prefaceStart += count
    }
    if !preface.isEmpty { (preface, prefaceStart) = ([], 0) }
  }

  private func send(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    switch stream.write(segments) {
    case .transferred(let count):
      liveness?.noteWrite()
      return .transferred(count)
    case .wouldBlock: return .wouldBlock
    case .endOfFile, .failed:
      // EPIPE says nothing of the other direction, where bytes may still be unread.
      hasOutputEnded = true
      return .disconnected
    }
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    if isFinished { return .disconnected }
    if hasInputEnded { return .wouldBlock }
    switch stream.read(into: segments) {
    case .transferred(let count):
      if isHungUp { examine() }
      return .transferred(count)
    case .wouldBlock:
      return .wouldBlock
    case .endOfFile:
      hasInputEnded = true
      examine()
      return isFinished ? .disconnected : .wouldBlock
    case .failed:
      // ECONNRESET comes after the last unread byte.
      isFinished = true
      return .disconnected
    }
  }
}
