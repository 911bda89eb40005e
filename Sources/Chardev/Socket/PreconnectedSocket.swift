import Host

/// One connection that is there already, and no other after it.
final class PreconnectedSocket: ConnectionSource {
  let name: String
  let role = ""
  let waitsForFirst = false
  private var peer: SocketPeer?

  init(_ peer: SocketPeer, name: String) {
    self.name = name
    self.peer = peer
  }

  func count(in counters: inout SocketCounters) {}

  func start(on loop: EventLoop, deliver: @escaping (SocketPeer) -> Void) throws(SystemError) {
    loop.post { [weak self] in
      if let peer = self?.peer.take() { deliver(peer) }
    }
  }

  func lostPeer() {}

  func stop() { peer = nil }
}
