import CKVM
import Glibc
import Host

/// A chardev that sends every buffer the guest writes as one datagram, and passes on every datagram
/// that comes from its peer whole, in as many pieces as the front end has room for.
///
/// Always connected: UDP does not know whether a peer listens. What the network refuses is
/// lost, as datagrams may be, and counted.
package final class DatagramChardev: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename = "udp"
  /// The most bytes of a datagram over IPv4; longer buffers are cut into several.
  package let limits = WriteLimits(packet: 65507)

  private let stream: Stream
  private let log = RateLimitedLog(linesPerSecond: 1)
  private var loop: EventLoop?
  private var token: EventLoop.Token?
  private var interest: EventLoop.Interest = []
  private lazy var restDelivery = Deferred { [weak self] in self?.deliverRest() }
  /// Datagrams that the network did not take.
  package private(set) var lostDatagrams: UInt64 = 0

  /// Takes over a datagram socket that is connected to its peer, in non-blocking mode.
  init(_ socket: consuming FileDescriptor) {
    stream = Stream(datagrams: socket)
  }

  /// What it is bound to.
  var localAddress: SocketAddress? { SocketAddress.local(of: stream.rawValue) }

  package func start(on loop: EventLoop) throws(SystemError) {
    guard self.loop == nil else { return }
    // An interest in nothing but a hang-up would spin on errors, which say little here.
    token = try loop.register(stream.rawValue, interest: []) { [weak self] in self?.isReady($0) }
    self.loop = loop
    loop.post { [weak self] in
      guard let self, self.loop != nil else { return }
      isConnected = true
      delegate?.chardevDidConnect(self)
    }
    updateInterest()
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    segments.withPrefix(byteCount: limits.packet ?? 0) { segments in
      var reason: Int32 = 0
      // An error may be an earlier datagram's, which the network has told of since; this one has not
      // been sent then.
      for _ in 0..<8 {
        switch stream.write(segments) {
        case .transferred(let count): return .transferred(count)
        case .wouldBlock, .endOfFile: return .wouldBlock
        case .failed(let number): reason = number
        }
      }
      lostDatagrams &+= 1
      log.warning("\(SystemError("send", errno: reason)); \(lostDatagrams) datagrams were lost")
      return .lost(segments.byteCount)
    }
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard case .transferred(let count) = stream.read(into: segments) else { return .wouldBlock }
    if hasWantedRest { restDelivery.post(on: loop) }
    return .transferred(count)
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    updateInterest()
    if hasWantedRest { restDelivery.post(on: loop) }
  }

  package func stop() {
    if let token { loop?.remove(token) }
    token = nil
    isConnected = false
    loop = nil
  }

  private func isReady(_ readiness: EventLoop.Readiness) {
    if readiness.contains(.error) {
      // Reading the error clears it.
      _ = FileDescriptor.socketOption(stream.rawValue, SO_ERROR)
    }
    if readiness.contains(.readable), interest.contains(.readable) {
      delegate?.chardevIsReadable(self)
    }
    if readiness.contains(.writable), interest.contains(.writable) {
      delegate?.chardevIsWritable(self)
    }
  }

  /// The rest of a datagram is here, and no event will tell of it.
  private var hasWantedRest: Bool { interest.contains(.readable) && stream.hasPacketRest }

  private func deliverRest() {
    if hasWantedRest { delegate?.chardevIsReadable(self) }
  }

  private func updateInterest() {
    if let token { loop?.setInterest(interest, for: token) }
  }
}

/// Makes chardevs of datagrams from their configurations.
struct DatagramOpener {
  private let datagram: DatagramConfiguration
  private let patience: OpeningPatience

  init(_ datagram: DatagramConfiguration, patience: OpeningPatience = .atStart()) {
    self.datagram = datagram
    self.patience = patience
  }

  func open() throws(ChardevError) -> DatagramChardev {
    guard datagram.port != 0 else {
      throw ChardevError("UDP port 0 belongs to no peer; give the peer's port")
    }
    let type = Int32(SOCK_DGRAM.rawValue)
    let peers = try AddressResolver.resolve(
      host: datagram.host, port: datagram.port, type: type, patience: patience)
    let locals = try datagram.localHost.map { (host) throws(ChardevError) in
      try AddressResolver.resolve(
        host: host, port: datagram.localPort, type: type, patience: patience)
    }
    var failure = SystemError("connect", errno: EAFNOSUPPORT)
    for peer in peers {
      let ownPlaces = locals?.filter { $0.family == peer.family } ?? [localAddress(towards: peer)]
      for local in ownPlaces {
        do throws(SystemError) {
          return DatagramChardev(try Self.makeSocket(from: local, to: peer))
        } catch {
          failure = error
        }
      }
    }
    throw ChardevError(
      "UDP to \(datagram.host):\(datagram.port): cannot \(failure.call) (\(failure.reason)); "
        + "choose a local address and port of this host that are free")
  }

  private func localAddress(towards peer: SocketAddress) -> SocketAddress {
    let any: SocketAddress = peer.isLoopback ? .loopback(peer.family) : .wildcard(peer.family)
    return any.withPort(datagram.localPort)
  }

  /// Connected, so that the datagrams of others do not come in.
  private static func makeSocket(
    from local: SocketAddress, to peer: SocketAddress
  ) throws(SystemError) -> FileDescriptor {
    let socket = try FileDescriptor(socketOf: peer.family, type: Int32(SOCK_DGRAM.rawValue))
    let number = socket.rawValue
    try systemCall("bind") { local.withPointer { bind(number, $0, $1) } }
    try systemCall("connect") { peer.withPointer { Glibc.connect(number, $0, $1) } }
    return socket
  }
}
