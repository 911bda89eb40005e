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

  private unowned let server: ControlServer
  private let connection: ControlConnection
  private let listener: ControlServer.Listener
  private let loop: EventLoop
  private var token: EventLoop.Token?
  private var session = QMPSession()
  private let passed = PassedDescriptors()
  private var output = OutputBuffer()
  /// Goes with the output's first byte.
  private var outgoing: PassedDescriptor?
  private var wait: (request: JSONValue?, wait: Command.Wait, timer: EventLoop.Timer?)?
  private var isTurnPosted = false
  private var hasInputEnded = false
  /// It gets no replies any more; what it has sent is still carried out, up to the first error.
  private var hasLeft = false
  private(set) var isClosed = false

  /// - Parameter listener: where it came, which tells what it may do.
  init(
    _ connection: consuming ControlConnection, of listener: ControlServer.Listener,
    server: ControlServer,
    loop: EventLoop
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
    guard let (id, wait, timer) = wait, let result = wait.check() else { return }
    timer?.cancel()
    endWait()
    reply(id, result)
    turn()
  }

  /// Sends what the socket takes, and closes it.
  func close() {
    guard !isClosed else { return }
    flush()
    isClosed = true
    wait?.timer?.cancel()
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
    switch connection.receive(
      limit: Self.receiveSize, passed: { passed.append(PassedDescriptor($0)) })
    {
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
    while !isClosed, wait == nil, output.isEmpty, steps < Self.stepsPerTurn {
      guard takeStep() else { break }
      steps += 1
    }
    if isClosed { return }
    let isIdle = wait == nil && output.isEmpty
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
      loop.setInterest(wait == nil && !hasInputEnded ? .readable : .hangup, for: token)
    }
  }

  // MARK: Commands and replies

  private func perform(_ request: QMPRequest) {
    do throws(QMPError) {
      let command = try QMPCommandTable.command(request.command)
      let context = CommandContext(server: server, listener: listener, passed: passed)
      switch try command.perform(request.arguments, context) {
      case .value(let value): reply(request.id, .success(value))
      case .descriptor(let descriptor):
        outgoing = descriptor
        reply(request.id, .success([:]))
      case .later(let wait): begin(wait, id: request.id)
      }
    } catch {
      reply(request.id, .failure(error))
    }
  }

  private func begin(_ wait: Command.Wait, id: JSONValue?) {
    if let result = wait.check() {
      wait.end()
      return reply(id, result)
    }
    let timer = wait.milliseconds.map { milliseconds in
      loop.after(milliseconds: milliseconds) { [weak self] in
        self?.endWait()
        self?.reply(id, .failure(wait.lateReply))
        self?.turn()
      }
    }
    self.wait = (id, wait, timer)
  }

  private func endWait() {
    wait?.wait.end()
    wait = nil
  }

  private func reply(_ id: JSONValue?, _ result: Result<JSONValue, QMPError>) {
    send(.reply(result, id: id))
  }

  private func send(_ message: JSONValue) {
    guard !hasLeft else { return }
    output.append(message.printed + "\r\n")
    flush()
  }

  private func flush() {
    while !output.isEmpty, !isClosed {
      guard let count = connection.send(output.rest, descriptor: outgoing?.number) else {
        leave()
        return postTurn()
      }
      if count == 0 { return }
      outgoing = nil
      output.removeFirst(count)
    }
  }
}

/// Bytes on their way to a client. Each costs the same, however many there are.
struct OutputBuffer {
  private var bytes: [UInt8] = []
  private var position = 0

  /// What is still to be sent.
  var rest: ArraySlice<UInt8> { bytes[position...] }
  var count: Int { bytes.count - position }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ text: String) { bytes += text.utf8 }

  /// So many bytes, no more than there are, have been sent.
  mutating func removeFirst(_ count: Int) {
    position += count
    if position == bytes.count { removeAll() }
    // Half of it at least, so that moving the rest costs no more than what has been sent.
    guard position > bytes.count / 2 else { return }
    bytes.removeFirst(position)
    position = 0
  }

  mutating func removeAll() {
    bytes = []
    position = 0
  }
}
