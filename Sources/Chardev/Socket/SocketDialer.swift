import CKVM
import Glibc
import Host

/// Connects to a socket, and again whenever that failed or the peer has gone, after the times of
/// `RetryDelay`.
///
/// The addresses were resolved when this was made. Nothing here waits.
final class SocketDialer: ConnectionSource {
  /// How long one address may take to answer before the next is tried.
  private static let patienceMilliseconds = 10_000

  let name: String
  let role = ""
  let waitsForFirst = false

  private let addresses: [SocketAddress]
  private let isPacketed: Bool
  private let tcp: TCPOptions
  private let log = RateLimitedLog(linesPerSecond: 1)
  private var delay: RetryDelay
  private var connectFailures: UInt64 = 0
  private var loop: EventLoop?
  private var deliver: (SocketPeer) -> Void = { _ in }
  private var timer: EventLoop.Timer?
  private var attempt: FileDescriptor?
  private var token: EventLoop.Token?

  /// - Parameters:
  ///   - addresses: tried in this order.
  ///   - reconnectMilliseconds: the time before the first repetition.
  init(
    _ addresses: [SocketAddress], name: String, isPacketed: Bool, tcp: TCPOptions,
    reconnectMilliseconds: Int
  ) {
    self.addresses = addresses
    self.name = name
    self.isPacketed = isPacketed
    self.tcp = tcp
    delay = RetryDelay(first: reconnectMilliseconds)
  }

  func count(in counters: inout SocketCounters) {
    counters.connectFailures &+= connectFailures
  }

  func start(on loop: EventLoop, deliver: @escaping (SocketPeer) -> Void) throws(SystemError) {
    self.loop = loop
    self.deliver = deliver
    loop.post { [weak self] in self?.dial(0) }
  }

  func lostPeer() { dialLater() }

  func stop() {
    endAttempt()
    timer?.cancel()
    loop = nil
    deliver = { _ in }
  }

  // MARK: One attempt

  private func dial(_ index: Int) {
    guard let loop else { return }
    guard addresses.indices.contains(index) else { return dialLater() }
    do throws(SystemError) {
      let socket = try Self.makeSocket(addresses[index], isPacketed: isPacketed)
      if try Self.beginToConnect(socket.rawValue, to: addresses[index]) {
        return succeed(socket, addresses[index])
      }
      token = try loop.register(socket.rawValue, interest: .writable) { [weak self] _ in
        self?.finishAttempt(index)
      }
      attempt = consume socket
      timer = loop.after(milliseconds: Self.patienceMilliseconds) { [weak self] in
        self?.fail(index, SystemError("connect", errno: ETIMEDOUT))
      }
    } catch {
      fail(index, error)
    }
  }

  private func finishAttempt(_ index: Int) {
    guard let number = attempt?.rawValue else { return }
    let reason = Self.outcome(number)
    guard reason == 0 else { return fail(index, SystemError("connect", errno: reason)) }
    if let token { loop?.remove(token) }
    token = nil
    timer?.cancel()
    if let socket = attempt.take() { succeed(socket, addresses[index]) }
  }

  private func succeed(_ socket: consuming FileDescriptor, _ address: SocketAddress) {
    delay.reset()
    socket.prepareSocket(address, tcp: tcp, isPacketed: isPacketed)
    deliver(SocketPeer(socket, isPacketed: isPacketed))
  }

  private func fail(_ index: Int, _ error: SystemError) {
    endAttempt()
    connectFailures &+= 1
    if index + 1 == addresses.count {
      log.warning("socket '\(name)': \(error); trying again after \(delay.current) ms")
    }
    dial(index + 1)
  }

  private func endAttempt() {
    timer?.cancel()
    if let token { loop?.remove(token) }
    token = nil
    attempt = nil
  }

  private func dialLater() {
    timer = loop?.after(milliseconds: delay.current) { [weak self] in self?.dial(0) }
    delay.grow()
  }

  // MARK: Without a loop

  /// Connects now, within the time there is, to the first address that answers.
  static func connect(
    to addresses: [SocketAddress], isPacketed: Bool, tcp: TCPOptions, patience: OpeningPatience
  ) throws(SystemError) -> SocketPeer {
    var failure = SystemError("connect", errno: EADDRNOTAVAIL)
    for address in addresses {
      do throws(SystemError) {
        let socket = try makeSocket(address, isPacketed: isPacketed)
        if try !beginToConnect(socket.rawValue, to: address) {
          let number = socket.rawValue
          try patience.whileConnecting { (limit) throws(SystemError) in
            try awaitConnection(number, milliseconds: min(limit, patienceMilliseconds))
          }
        }
        socket.prepareSocket(address, tcp: tcp, isPacketed: isPacketed)
        return SocketPeer(socket, isPacketed: isPacketed)
      } catch {
        failure = error
      }
    }
    throw failure
  }

  private static func awaitConnection(_ socket: Int32, milliseconds: Int) throws(SystemError) {
    var status = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
    let count = try systemCall("poll") { poll(&status, 1, Int32(clamping: milliseconds)) }
    let reason = count == 0 ? ETIMEDOUT : outcome(socket)
    if reason != 0 { throw SystemError("connect", errno: reason) }
  }

  /// What came of an attempt, as an errno. Where no process listens at a port of this host, TCP may
  /// choose that very port for this side, and connect the socket to itself.
  private static func outcome(_ socket: Int32) -> Int32 {
    let reason = FileDescriptor.socketOption(socket, SO_ERROR) ?? 0
    guard reason == 0, let local = SocketAddress.local(of: socket), local.isInternet else {
      return reason
    }
    return local == SocketAddress.peer(of: socket) ? ECONNREFUSED : 0
  }

  private static func makeSocket(
    _ address: SocketAddress, isPacketed: Bool
  ) throws(SystemError) -> FileDescriptor {
    let type = isPacketed ? SOCK_SEQPACKET : SOCK_STREAM
    let socket = try FileDescriptor(socketOf: address.family, type: Int32(type.rawValue))
    FileDescriptor.refuseDescriptors(socket.rawValue)
    return socket
  }

  /// Returns whether the socket is connected; otherwise it will be writable when it is, or when it
  /// has failed.
  private static func beginToConnect(
    _ socket: Int32, to address: SocketAddress
  ) throws(SystemError) -> Bool {
    do throws(SystemError) {
      try systemCall("connect") {
        address.withPointer { Glibc.connect(socket, $0, $1) }
      }
      return true
    } catch {
      guard error.errno == EINPROGRESS else { throw error }
      return false
    }
  }
}

/// The times between attempts: each failure doubles the next one, up to a minute or what the first
/// one is, and a success sets it back.
struct RetryDelay {
  /// Where doubling ends, in milliseconds.
  static let cap = 60_000

  private let first: Int
  /// The time before the next attempt, in milliseconds.
  private(set) var current: Int

  init(first milliseconds: Int) {
    first = max(milliseconds, 1)
    current = first
  }

  /// An attempt is put off by `current`.
  mutating func grow() {
    current = current > Self.cap / 2 ? max(first, Self.cap) : current * 2
  }

  /// An attempt was a success.
  mutating func reset() { current = first }
}
