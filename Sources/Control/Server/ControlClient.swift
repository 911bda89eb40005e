import Glibc
import Host

/// One client of the control server: its protocol, what it is still to get, and what it waits for.
///
/// While a client does not read its replies, or waits for one, its commands are not read either. So at
/// most one message, one reply and the events since then are kept for it.
final class ControlClient {
  /// What may be unread when one more event comes; a client with more is closed.
  static let outputLimit = 1 << 20
  private static let receiveSize = 16 << 10
  /// Commands that one turn of the loop carries out, so that others get theirs.
  private static let stepsPerTurn = 32

  unowned let server: ControlServer
  /// Where it came, which tells what it may do.
  let listener: ControlServer.Listener
  private let connection: ControlConnection
  private let loop: EventLoop
  private var token: EventLoop.Token?
  private var session = QMPSession()
  /// The descriptors that it has sent and that no command has taken, in order.
  private var passed: [PassedDescriptor] = []
  private var output: [UInt8] = []
  /// Goes with the output's first byte.
  private var outgoing: PassedDescriptor?
  private var waiting: (id: JSONValue?, wait: Command.Wait, timer: EventLoop.Timer?)?
  private var isTurnPosted = false
  private var hasInputEnded = false
  /// It gets no replies any more; what it has sent is still carried out, up to the first error.
  private var hasLeft = false
  private(set) var isClosed = false

  init(
    _ connection: consuming ControlConnection, of listener: ControlServer.Listener,
    server: ControlServer, loop: EventLoop
  ) {
    self.connection = connection
    self.listener = listener
    self.server = server
    self.loop = loop
  }

  /// Begins to serve, with the greeting.
  func start() throws(SystemError) {
    token = try loop.register(connection.number, interest: .readable) {
      [weak self] readiness in self?.isReady(readiness)
    }
    send(QMPSession.greeting(version: ControlServer.version))
  }

  /// Sends an event, unless the client is still negotiating.
  func send(event: JSONValue) {
    guard session.isReady, !isClosed, !hasLeft else { return }
    guard output.count < Self.outputLimit else { return server.closeSlow(self) }
    send(event)
    updateInterest()
  }

  /// Something has happened that the client may be waiting for.
  func check() {
    if let result = waiting?.wait.check() { endWait(with: result) }
  }

  /// Sends what the socket takes, and closes it.
  func close() {
    guard !isClosed else { return }
    flush()
    isClosed = true
    endWait()
    if let token { loop.remove(token) }
    token = nil
    _ = shutdown(connection.number, Int32(SHUT_RDWR))
  }

  // MARK: Turns

  private func isReady(_ readiness: EventLoop.Readiness) {
    if !readiness.isDisjoint(with: [.hangup, .error]) { leave() }
    if readiness.contains(.writable) { flush() }
    if readiness.contains(.readable), !hasLeft { receive() }
    turn()
  }

  /// The peer takes no more replies. A turn has to follow.
  private func leave() {
    guard !hasLeft, !isClosed else { return }
    hasLeft = true
    output.removeAll()
    outgoing = nil
    if let token { loop.setInterest([], for: token) }
  }

  private func receive() {
    let receipt = connection.receive(limit: Self.receiveSize) {
      if passed.count < ControlConnection.passedLimit { passed.append(PassedDescriptor($0)) }
    }
    switch receipt {
    case .bytes(let bytes): session.append(bytes)
    // From one that has left nothing more comes.
    case .wouldBlock: hasInputEnded = hasLeft
    case .end: hasInputEnded = true
    case .failed:
      hasInputEnded = true
      leave()
    }
  }

  /// Carries out what has arrived, as long as the replies find their way.
  private func turn() {
    var steps = 0
    while !isClosed, waiting == nil, output.isEmpty, steps < Self.stepsPerTurn {
      guard takeStep() else { break }
      steps += 1
    }
    if isClosed { return }
    let isIdle = waiting == nil && output.isEmpty
    if steps == Self.stepsPerTurn, isIdle { return postTurn() }
    // A client that has left waits for nothing.
    if hasInputEnded && isIdle || hasLeft { return server.close(self) }
    updateInterest()
  }

  /// Does the next thing; false where there is nothing to be done now.
  private func takeStep() -> Bool {
    guard let step = session.next() else {
      guard hasLeft, !hasInputEnded else { return false }
      receive()
      return true
    }
    switch step {
    case .reply(let reply): send(reply)
    case .command(let request): perform(request)
    case .end(let reply):
      send(reply)
      server.close(self)
    }
    // A descriptor goes with its command, and what that has left is not the next one's.
    if session.isBetweenMessages { passed.removeAll() }
    return true
  }

  private func postTurn() {
    guard !isTurnPosted else { return }
    isTurnPosted = true
    if let token { loop.setInterest(hasLeft ? [] : .hangup, for: token) }
    loop.post { [weak self] in
      self?.isTurnPosted = false
      self?.turn()
    }
  }

  private func updateInterest() {
    guard let token, !isTurnPosted, !hasLeft else { return }
    if !output.isEmpty {
      loop.setInterest(.writable, for: token)
    } else {
      loop.setInterest(waiting == nil && !hasInputEnded ? .readable : .hangup, for: token)
    }
  }

  // MARK: Commands and replies

  private func perform(_ request: QMPRequest) {
    let result: Result<JSONValue, QMPError>
    do throws(QMPError) {
      let command = try QMPCommandTable.command(request.command)
      switch try command.perform(request.arguments, CommandContext(client: self)) {
      case .value(let value): result = .success(value)
      case .descriptor(let descriptor):
        outgoing = descriptor
        result = .success([:])
      case .later(let wait): return begin(wait, id: request.id)
      }
    } catch {
      result = .failure(error)
    }
    send(.reply(result, id: request.id))
  }

  /// The first of the descriptors that came with a command.
  func takeDescriptor() throws(QMPError) -> PassedDescriptor {
    guard !passed.isEmpty else { throw QMPError("No file descriptor supplied via SCM_RIGHTS") }
    return passed.removeFirst()
  }

  private func begin(_ wait: Command.Wait, id: JSONValue?) {
    if let result = wait.check() {
      wait.end()
      return send(.reply(result, id: id))
    }
    let timer = wait.milliseconds.map { milliseconds in
      loop.after(milliseconds: milliseconds) { [weak self] in
        self?.endWait(with: .failure(wait.lateReply))
      }
    }
    waiting = (id, wait, timer)
  }

  private func endWait(with result: Result<JSONValue, QMPError>? = nil) {
    guard let (id, wait, timer) = waiting else { return }
    waiting = nil
    timer?.cancel()
    wait.end()
    guard let result else { return }
    send(.reply(result, id: id))
    turn()
  }

  private func send(_ message: JSONValue) {
    guard !hasLeft else { return }
    output += (message.printed + "\r\n").utf8
    flush()
  }

  private func flush() {
    while !output.isEmpty, !isClosed {
      guard let count = connection.send(output[...], descriptor: outgoing?.number) else {
        leave()
        return postTurn()
      }
      if count == 0 { return }
      outgoing = nil
      output.removeFirst(count)
    }
  }
}
