import Host

/// Where a socket's peers come from: a listener, a dialer, or one connection that is there already.
/// Lives on the loop's thread.
protocol ConnectionSource: AnyObject {
  /// What it is, in QEMU's words: `unix:/tmp/port0`.
  var name: String { get }
  /// What follows the name, or the local address of a connection: `,server=on`, or nothing.
  var role: String { get }
  /// Whether the machine's start waits for the first peer, if none has been there.
  var waitsForFirst: Bool { get }
  /// Adds what has happened at the source.
  func count(in counters: inout SocketCounters)

  /// Begins; `deliver` gets each peer, from the loop and never from inside a call.
  func start(on loop: EventLoop, deliver: @escaping (SocketPeer) -> Void) throws(SystemError)
  /// No peer is connected any more.
  func lostPeer()
  /// Whether further peers are to be delivered; those that come while it is off stay where they are.
  func setAccepts(_ accepts: Bool)
  /// The guest is about to open its side.
  func guestWillOpen()
  /// Ends for good; no peer comes any more.
  func stop()
}

/// Clients come when they like.
extension ConnectionSource {
  func guestWillOpen() {}
  func setAccepts(_ accepts: Bool) {}
}

/// What has happened at a socket so far.
package struct SocketCounters: Equatable, Sendable {
  /// Clients taken, or connections made; those passed over included.
  package var acceptedClients: UInt64 = 0
  /// Clients closed at once because no place was free.
  package var refusedClients: UInt64 = 0
  /// Clients closed at once because their users may not connect.
  package var deniedClients: UInt64 = 0
  /// Clients that had to wait for their turn.
  package var queuedClients: UInt64 = 0
  /// Clients that lost their place to a newcomer, or were too slow for the others.
  package var dismissedClients: UInt64 = 0
  /// Times that accepting failed for want of descriptors or memory.
  package var acceptFailures: UInt64 = 0
  /// Times that connecting failed.
  package var connectFailures: UInt64 = 0
  /// Bytes from clients.
  package var bytesRead: UInt64 = 0
  /// Bytes to clients.
  package var bytesWritten: UInt64 = 0
}

/// One connection that is there already, and no other after it.
final class PreconnectedSocket: ConnectionSource {
  let name: String
  let role = ""
  let waitsForFirst = false
  private var peer: SocketPeer?

  init(_ peer: SocketPeer?, name: String) {
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
