import CKVM
import Glibc
import Host

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
      throw ChardevError("UDP port 0 is nobody's; give the peer's port")
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
