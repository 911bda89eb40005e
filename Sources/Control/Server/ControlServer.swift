import Chardev
import Glibc
import Host

/// The QMP server of one machine: any number of listening sockets, several clients at once.
///
/// Lives on one loop's thread, on which commands are carried out. Not `Sendable`.
package final class ControlServer {
  /// What has happened so far.
  package struct Counters: Equatable, Sendable {
    /// Clients taken.
    package var acceptedClients: UInt64 = 0
    /// Clients refused because there were enough.
    package var refusedClients: UInt64 = 0
    /// Clients refused because their user is not served.
    package var deniedClients: UInt64 = 0
    /// Clients closed because they did not read.
    package var slowClients: UInt64 = 0
  }

  /// How many clients are served at once.
  package static let clientLimit = 16
  /// How long accepting rests after a failure: the listener stays ready all the time.
  private static let acceptRestMilliseconds = 100

  package private(set) var counters = Counters()
  let version: JSONValue

  private unowned let machine: any MachineControl
  private var listeners: [ControlListener]
  /// What clients have left, of those that may open things on the host and of those that may not.
  private let descriptors = (open: DescriptorStore(), closed: DescriptorStore())
  private let log = RateLimitedLog()
  private lazy var throttle = EventThrottle { [unowned self] in tell($0) }
  private var loop: EventLoop?
  private var tokens: [EventLoop.Token] = []
  private var rests: [EventLoop.Timer] = []
  private var clients: [ControlClient] = []
  private var isCheckPosted = false

  /// Makes a server. Clients may connect from when the listeners were made; they are served from
  /// `start` on.
  ///
  /// - Parameter version: the program's, as three numbers.
  package init(
    listeners: [ControlListener], machine: any MachineControl, version: (Int, Int, Int)
  ) {
    self.listeners = listeners
    self.machine = machine
    self.version = [
      "qemu": [
        "major": .integer(version.0), "minor": .integer(version.1), "micro": .integer(version.2),
      ],
      "package": "swiftvm",
    ]
  }

  /// Begins to serve on `loop`.
  package func start(on loop: EventLoop) throws(SystemError) {
    self.loop = loop
    for listener in listeners {
      let place = tokens.count
      tokens.append(
        try loop.register(listener.socket.descriptor, interest: .readable) { [weak self] _ in
          self?.accept(listener, place: place)
        })
    }
  }

  /// Ends service for good: every client still gets what its socket takes.
  package func stop() {
    throttle.stop()
    for rest in rests { rest.cancel() }
    for token in tokens { loop?.remove(token) }
    for client in clients { client.close() }
    tokens = []
    clients = []
    listeners = []
    loop = nil
  }

  /// Tells every client what has happened, as often as the event's rule allows.
  package func send(_ event: QMPEvent) {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let json = event.json(at: time)
    switch event.rate {
    case .always(let before):
      for key in before { throttle.settle(key) }
      tell(json)
    case .everySecond(let key):
      // A client that comes later asks for the state.
      if let loop, !clients.isEmpty { throttle.tell(json, of: key, on: loop) }
    }
    somethingChanged()
  }

  private func tell(_ event: JSONValue) {
    for client in clients { client.send(event: event) }
  }

  /// Looks at what clients wait for, soon: a port, or a ring buffer, may have changed.
  package func somethingChanged() {
    guard !isCheckPosted, let loop, !clients.isEmpty else { return }
    isCheckPosted = true
    loop.post { [weak self] in
      guard let self else { return }
      isCheckPosted = false
      for client in clients { client.check() }
    }
  }

  /// How many clients there are now.
  var clientCount: Int { clients.count }

  // MARK: For clients

  func context(passed: PassedDescriptors, of listener: ControlListener) -> CommandContext {
    CommandContext(
      machine: machine, opensHost: listener.opensHost,
      carriesDescriptors: listener.socket.reach != .network,
      descriptors: listener.opensHost ? descriptors.open : descriptors.closed, passed: passed,
      version: version,
      somethingChanged: { [weak self] in self?.somethingChanged() })
  }

  func close(_ client: ControlClient) {
    client.close()
    clients.removeAll { $0 === client }
  }

  func closeSlow(_ client: ControlClient) {
    counters.slowClients &+= 1
    log.warning(
      "a QMP client was closed, since it did not read (\(counters.slowClients) so far)")
    close(client)
  }

  // MARK: Accepting

  private func accept(_ listener: ControlListener, place: Int) {
    guard let loop else { return }
    do throws(SystemError) {
      guard let client = try listener.socket.accept() else { return }
      guard client.isAllowed else {
        counters.deniedClients &+= 1
        log.warning(
          "QMP socket '\(listener.socket.name)': a client's user may not connect "
            + "(\(counters.deniedClients) sent away so far)")
        return refuse(
          client.connection(), "this control socket does not serve your user; see allow-uid=")
      }
      receive(client.connection(), listener, loop)
    } catch {
      log.warning("QMP socket: \(error); trying again")
      guard tokens.indices.contains(place) else { return }
      let token = tokens[place]
      loop.setInterest([], for: token)
      rests.removeAll { !$0.isPending }
      rests.append(
        loop.after(milliseconds: Self.acceptRestMilliseconds) {
          loop.setInterest(.readable, for: token)
        })
    }
  }

  /// Tells a client why it is not served, as far as it hears that at once, and closes it.
  private func refuse(_ client: consuming FileDescriptor, _ reason: String) {
    let line = QMPReply.failure(QMPError(reason), id: nil).printed + "\r\n"
    _ = ControlConnection(client).send(Array(line.utf8)[...], descriptor: nil)
  }

  private func receive(
    _ descriptor: consuming FileDescriptor, _ listener: ControlListener, _ loop: EventLoop
  ) {
    guard clients.count < Self.clientLimit else {
      counters.refusedClients &+= 1
      return refuse(
        descriptor, "there are \(Self.clientLimit) QMP clients already; try again later")
    }
    counters.acceptedClients &+= 1
    let client = ControlClient(
      ControlConnection(descriptor), of: listener, server: self, loop: loop)
    clients.append(client)
    do throws(SystemError) { try client.start() } catch {
      log.warning("a QMP client is lost: \(error)")
      close(client)
    }
  }
}
