import CKVM
import Glibc
import Host

extension FileDescriptor {
  /// A new socket, in non-blocking mode.
  init(socketOf family: Int32, type: Int32) throws(SystemError) {
    let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    self.init(owning: try systemCall("socket") { socket(family, type | flags, 0) })
  }

  /// Two sockets connected to each other, of bytes or of packets, both of which the caller takes over;
  /// the first one is in non-blocking mode, and takes no descriptors.
  static func socketPair(isPacketed: Bool = false) throws(SystemError) -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let kind = isPacketed ? SOCK_SEQPACKET : SOCK_STREAM
    let type = Int32(kind.rawValue | SOCK_CLOEXEC.rawValue)
    try systemCall("socketpair") { socketpair(AF_UNIX, type, 0, &ends) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    refuseDescriptors(ends[0])
    return (ends[0], ends[1])
  }

  /// Sets a socket option that is a number; one that the socket does not have is none it needs.
  func setSocketOption(_ level: Int32, _ name: Int32, _ value: Int32) {
    Self.setSocketOption(rawValue, level, name, value)
  }

  static func setSocketOption(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    _ = setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// A socket option that is a number; nil where there is none.
  static func socketOption(
    _ socket: Int32, _ name: Int32, of level: Int = Int(SOL_SOCKET)
  ) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(socket, Int32(level), name, &value, &length) == 0 ? value : nil
  }

  /// Has the kernel refuse what a peer passes along with its bytes (SCM_RIGHTS), where it can, from
  /// Linux 6.16 on. Otherwise the last reference to a descriptor may be ours, and closing one may take
  /// as long as who sent it likes. What a listening socket refuses, those it accepts do, too.
  static func refuseDescriptors(_ socket: Int32) {
    let passRights: Int32 = 83  // SO_PASSRIGHTS, which the Glibc module lacks
    var value: Int32 = 0
    _ = setsockopt(socket, SOL_SOCKET, passRights, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// What a stream or packet socket is given before use: TCP's options, room for the longest packet.
  func prepareSocket(
    _ address: SocketAddress?, tcp options: TCPOptions = TCPOptions(), isPacketed: Bool
  ) {
    if address?.isInternet == true { options.apply(to: self) }
    if isPacketed { setSocketOption(SOL_SOCKET, SO_SNDBUF, 4 * Int32(Stream.packetLimit)) }
  }
}

/// What a TCP socket is given before use.
struct TCPOptions {
  /// Small writes go out at once.
  var hasNoDelay = true
  /// How long a peer may give no sign before it is taken for dead, in seconds; 0 for ever.
  var keepaliveSeconds = SocketConfiguration.defaultKeepaliveSeconds

  init() {}

  init(_ configuration: SocketConfiguration) {
    hasNoDelay = configuration.hasNoDelay
    keepaliveSeconds = configuration.keepaliveSeconds
  }

  /// A peer that is silent is probed from a third of the time on. What it does not confirm ends the
  /// connection, too, see `PeerLiveness`.
  func apply(to socket: borrowing FileDescriptor) {
    let tcp = Int32(IPPROTO_TCP)
    socket.setSocketOption(tcp, TCP_NODELAY, hasNoDelay ? 1 : 0)
    socket.setSocketOption(SOL_SOCKET, SO_KEEPALIVE, keepaliveSeconds > 0 ? 1 : 0)
    guard keepaliveSeconds > 0 else { return }
    let seconds = Int32(clamping: keepaliveSeconds)
    socket.setSocketOption(tcp, TCP_KEEPIDLE, max(1, seconds / 3))
    socket.setSocketOption(tcp, TCP_KEEPINTVL, max(1, seconds / 6))
    socket.setSocketOption(tcp, TCP_KEEPCNT, 4)
    socket.setSocketOption(tcp, TCP_USER_TIMEOUT, Int32(clamping: Int(seconds) * 1000))
  }
}
