import CKVM
import Glibc
import Host

/// A chardev that is a listening Unix stream socket, with one client at a time.
///
/// A second client is refused at once: accepted, counted and closed. A client that leaves with
/// bytes unread stays connected, as far as the front end can tell, until it has read them; the one
/// client that arrives meanwhile waits for that, its bytes in its own socket. A client that comes
/// and goes leaving nothing, before the front end could be told, is passed over.
package final class UnixSocketServer: Chardev {
  /// What has happened so far.
  package struct Counters: Equatable, Sendable {
    /// Clients taken, those passed over included.
    package var acceptedClients: UInt64 = 0
    /// Clients closed at once because another one was there.
    package var refusedClients: UInt64 = 0
    /// Times that accepting failed for want of descriptors or memory.
    package var acceptFailures: UInt64 = 0
    /// Bytes from clients.
    package var bytesRead: UInt64 = 0
    /// Bytes to clients.
    package var bytesWritten: UInt64 = 0
  }

  /// How long accepting rests after a failure. The listener stays ready all the time, so trying on
  /// would spin.
  private static let acceptRestMilliseconds = 100

  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package private(set) var counters = Counters()
  /// Where clients find this chardev.
  package let path: String

  private let log = RateLimitedLog()
  private var listener: ListeningSocket?
  private var loop: EventLoop?
  private var listenerToken: EventLoop.Token?
  private var acceptRest: EventLoop.Timer?
  private var client: UnixSocketClient?
  private var waiting: UnixSocketClient?
  private var wantsReadable = false
  private var wantsWritable = false
  private var isSettlementPosted = false

  /// Makes the socket and listens, so that clients may connect from now on; they are served after
  /// `start`. What may be at `path` already, see `SocketPathError`.
  package init(path: String) throws(SocketPathError) {
    self.path = path
    listener = try ListeningSocket(path: path)
  }

  /// How many clients were refused because another one was there.
  package var refusedClients: UInt64 { counters.refusedClients }

  package var filename: String {
    (isConnected ? "" : "disconnected:") + "unix:\(path),server=on"
  }

  package func start(on loop: EventLoop) throws(SystemError) {
    guard let number = listener?.descriptor.rawValue, self.loop == nil else { return }
    listenerToken = try loop.register(number, interest: .readable) { [weak self] _ in
      self?.acceptOne()
    }
    self.loop = loop
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard let client else { return .disconnected }
    let result = client.write(segments)
    switch result {
    case .transferred(let count): counters.bytesWritten &+= UInt64(count)
    case .wouldBlock: break
    case .disconnected: updateInterest()
    }
    return result
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard let client else { return .disconnected }
    let result = client.read(into: segments)
    if case .transferred(let count) = result { counters.bytesRead &+= UInt64(count) }
    if client.isFinished { postSettlement() }
    updateInterest()
    return result
  }

  package func setWantsReadable(_ wanted: Bool) {
    wantsReadable = wanted
    updateInterest()
  }

  package func setWantsWritable(_ wanted: Bool) {
    wantsWritable = wanted
    updateInterest()
  }

  package func endOutput() {
    client?.endOutput()
    updateInterest()
  }

  package func disconnectClient() {
    guard let client else { return }
    client.finish()
    updateInterest()
    postSettlement()
  }

  package func stop() {
    acceptRest?.cancel()
    if let listenerToken { loop?.remove(listenerToken) }
    listenerToken = nil
    listener = nil
    drop(&client)
    drop(&waiting)
    isConnected = false
    loop = nil
  }

  // MARK: Clients

  /// Takes one client a turn, so that the front end hears of each, and may read what it left,
  /// before the next is judged.
  private func acceptOne() {
    guard let acceptance = listener?.accept() else { return }
    switch consume acceptance {
    case .accepted(let connection): receive(UnixSocketClient(connection))
    case .nobody: break
    case .failed(let error): restAccepting(error)
    }
  }

  private func receive(_ newcomer: UnixSocketClient) {
    // The events of its going may be behind this one.
    client?.examine()
    waiting?.examine()
    if waiting?.isFinished == true { waiting = nil }
    settle()
    guard loop != nil else { return }
    let isPlaceFree = client == nil || (client?.isHungUp == true && waiting == nil)
    guard isPlaceFree else {
      counters.refusedClients &+= 1
      log.warning(
        "socket '\(path)': a client was refused, since one is connected "
          + "(\(counters.refusedClients) refused so far)")
      return
    }
    counters.acceptedClients &+= 1
    waiting = newcomer
    settle()
    updateInterest()
  }

  private func restAccepting(_ error: SystemError) {
    counters.acceptFailures &+= 1
    log.warning("socket '\(path)': \(error); trying again")
    guard let loop, let listenerToken else { return }
    loop.setInterest([], for: listenerToken)
    acceptRest = loop.after(milliseconds: UnixSocketServer.acceptRestMilliseconds) {
      loop.setInterest(.readable, for: listenerToken)
    }
  }

  private func isReady(_ client: UnixSocketClient, for readiness: EventLoop.Readiness) {
    if !readiness.isDisjoint(with: [.hangup, .error]) {
      client.examine()
      settle()
      updateInterest()
    }
    // Each call may change what the next condition asks, or end the client.
    if readiness.contains(.readable), wantsReadable, self.client === client {
      delegate?.chardevIsReadable(self)
    }
    if readiness.contains(.writable), wantsWritable, self.client === client {
      delegate?.chardevIsWritable(self)
    }
  }

  /// Brings what the front end knows in line with what is the case. Only from the top of a loop's
  /// turn, since it calls the delegate.
  private func settle() {
    while loop != nil {
      if client?.isFinished == true {
        drop(&client)
        isConnected = false
        delegate?.chardevDidDisconnect(self)
      } else if client == nil, waiting != nil {
        waiting?.examine()
        admitWaiting()
      } else {
        return
      }
    }
  }

  private func admitWaiting() {
    guard let loop, let next = waiting else { return }
    waiting = nil
    if next.isFinished { return }
    let interest = next.interest(wantsReadable: wantsReadable, wantsWritable: wantsWritable)
    do {
      next.token = try loop.register(next.descriptor, interest: interest) {
        [weak self, unowned next] in
        self?.isReady(next, for: $0)
      }
    } catch {
      log.warning("socket '\(path)': a client is lost: \(error)")
      return
    }
    client = next
    isConnected = true
    delegate?.chardevDidConnect(self)
  }

  private func postSettlement() {
    guard let loop, !isSettlementPosted else { return }
    isSettlementPosted = true
    loop.post { [weak self] in
      self?.isSettlementPosted = false
      self?.settle()
    }
  }

  private func updateInterest() {
    guard let loop, let client, let token = client.token else { return }
    loop.setInterest(
      client.interest(wantsReadable: wantsReadable, wantsWritable: wantsWritable), for: token)
  }

  private func drop(_ place: inout UnixSocketClient?) {
    if let token = place?.token { loop?.remove(token) }
    place = nil
  }
}
