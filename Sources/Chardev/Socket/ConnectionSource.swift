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
  /// Nobody is connected any more.
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
