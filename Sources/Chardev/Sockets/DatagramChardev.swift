import CKVM
import Glibc
import Host

/// A chardev that sends every buffer the guest writes as one datagram, and passes on every datagram
/// that comes from its peer whole, in as many pieces as the front end has room for.
///
/// Always connected: whether anybody listens is nothing that UDP knows. What the network refuses is
/// lost, as datagrams may be, and counted.
package final class DatagramChardev: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package var isConnected: Bool { presence.isConnected }
  private let presence = AlwaysConnected()
  package let filename: String
  /// The most bytes of a datagram over IPv4; longer buffers are cut into several.
  package let limits = WriteLimits(packet: 65507)

  private let socket: FileDescriptor
  private let reader = PacketReader()
  private let log = RateLimitedLog(linesPerSecond: 1)
  private var loop: EventLoop?
  private var token: EventLoop.Token?
  private var interest: EventLoop.Interest = []
  private var isRestPosted = false
  /// Datagrams that the network did not take.
  package private(set) var lostDatagrams: UInt64 = 0

  /// Takes over a datagram socket that is connected to its peer, in non-blocking mode.
  init(_ socket: consuming FileDescriptor) {
    filename = "udp"
    self.socket = socket
  }

  /// What it is bound to.
  var localAddress: SocketAddress? { SocketAddress.local(of: socket.rawValue) }

  package func start(on loop: EventLoop) throws(SystemError) {
    guard self.loop == nil else { return }
    // An interest in nothing but a hang-up would spin on errors, which say little here.
    token = try loop.register(socket.rawValue, interest: []) { [weak self] in self?.isReady($0) }
    self.loop = loop
    presence.begin(on: loop) { [weak self] in
      if let self { delegate?.chardevDidConnect(self) }
    }
    updateInterest()
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    segments.withPrefix(byteCount: limits.packet ?? 0) { segments in
      var message = msghdr()
      message.msg_iov = UnsafeMutablePointer(mutating: segments.baseAddress)
      message.msg_iovlen = segments.count
      // An error may be an earlier datagram's, told by the network meanwhile; this one is not sent
      // then.
      for _ in 0..<8 {
        let count = sendmsg(socket.rawValue, &message, Int32(MSG_NOSIGNAL))
        if count >= 0 { return .transferred(count) }
        if errno == EAGAIN { return .wouldBlock }
      }
      lostDatagrams &+= 1
      log.warning("\(SystemError("send", errno: errno)); \(lostDatagrams) datagrams were lost")
      return .lost(segments.byteCount)
    }
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    // Datagrams of no length, and errors of what was sent, are passed over, a bounded number a call.
    for _ in 0..<64 {
      switch reader.read(socket.rawValue, into: segments) {
      case .transferred(let count) where count > 0:
        if interest.contains(.readable), reader.hasRest { postRest() }
        return .transferred(count)
      case .wouldBlock: return .wouldBlock
      default: continue
      }
    }
    return .wouldBlock
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    updateInterest()
    if interest.contains(.readable), reader.hasRest { postRest() }
  }

  package func stop() {
    if let token { loop?.remove(token) }
    token = nil
    presence.end()
    loop = nil
  }

  private func isReady(_ readiness: EventLoop.Readiness) {
    if readiness.contains(.error) {
      // Reading the error clears it.
      _ = FileDescriptor.socketOption(socket.rawValue, SO_ERROR)
    }
    if readiness.contains(.readable), interest.contains(.readable) {
      delegate?.chardevIsReadable(self)
    }
    if readiness.contains(.writable), interest.contains(.writable) {
      delegate?.chardevIsWritable(self)
    }
  }

  /// The rest of a datagram is here, and no event will tell of it.
  private func postRest() {
    guard let loop, !isRestPosted else { return }
    isRestPosted = true
    loop.post { [weak self] in
      guard let self else { return }
      isRestPosted = false
      guard interest.contains(.readable), reader.hasRest else { return }
      delegate?.chardevIsReadable(self)
    }
  }

  private func updateInterest() {
    if let token { loop?.setInterest(interest, for: token) }
  }
}
