import Glibc
import Host

/// One client of the control server: its protocol, what it is still to get, and what it waits for.
///
/// While a client does not read its replies, or waits for one, its commands are not read either; so
/// what is kept for it is one message, one reply and the events meanwhile.
final class ControlClient {
  /// What may be unread when one more event comes; a client with more is closed.
  static let outputLimit = 1 << 20
  private static let receiveSize = 16 << 10
  /// Commands that one turn of the loop carries out, so that others get theirs.
  private static let stepsPerTurn = 32

  private unowned let server: ControlServer
  private let connection: ControlConnection
  private let loop: EventLoop
  private var token: EventLoop.Token?
  private var session = QMPSession()
  private let passed = PassedDescriptors()
  private var output: [UInt8] = []
  /// Goes with the output's first byte.
  private var outgoing: PassedDescriptor?
  private var wait: (request: JSONValue?, wait: Command.Wait, timer: EventLoop.Timer?)?
  private var isTurnPosted = false
  private var hasInputEnded = false
  private(set) var isClosed = false

  init(_ connection: consuming ControlConnection, server: ControlServer, loop: EventLoop) {
    self.connection = connection
    self.server = server
    self.loop = loop
  }

  /// Begins to serve, with the greeting.
  func start() throws(SystemError) {
    token = try loop.register(connection.descriptor.rawValue, interest: .readable) {
      [weak self] readiness in self?.isReady(readiness)
    }
    send(QMPSession.greeting(version: server.version))
  }

  /// Sends an event, unless the client is still negotiating.
  func send(event: JSONValue) {
    guard session.isReady, !isClosed else { return }
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
    _ = shutdown(connection.descriptor.rawValue, Int32(SHUT_RDWR))
  }

  // MARK: Turns

  private func isReady(_ readiness: EventLoop.Readiness) {
    if !readiness.isDisjoint(with: [.hangup, .error]) { return server.close(self) }
    if readiness.contains(.writable) { flush() }
    if readiness.contains(.readable), !isClosed { receive() }
    turn()
  }

  private func receive() {
    var bytes: [UInt8] = []
    let receipt = withUnsafeTemporaryAllocation(byteCount: Self.receiveSize, alignment: 1) { room in
      let receipt = connection.receive(into: room) { passed.append(PassedDescriptor($0)) }
      if case .bytes(let count) = receipt { bytes = Array(room.prefix(count)) }
      return receipt
    }
    switch receipt {
    case .bytes: session.append(bytes)
    case .wouldBlock: break
    case .end: hasInputEnded = true
    case .failed: server.close(self)
    }
  }

  /// Carries out what has arrived, as long as the replies find their way.
  private func turn() {
    var steps = 0
    while !isClosed, wait == nil, output.isEmpty, steps < Self.stepsPerTurn,
      let step = session.next()
    {
      steps += 1
      switch step {
      case .reply(let reply): send(reply)
      case .command(let request): perform(request)
      }
    }
    if isClosed { return }
    let isIdle = wait == nil && output.isEmpty
    if steps == Self.stepsPerTurn, isIdle { return postTurn() }
    if hasInputEnded, isIdle { return server.close(self) }
    updateInterest()
  }

  private func postTurn() {
    guard !isTurnPosted else { return }
    isTurnPosted = true
    if let token { loop.setInterest(.hangup, for: token) }
    loop.post { [weak self] in
      self?.isTurnPosted = false
      self?.turn()
    }
  }

  private func updateInterest() {
    guard let token, !isTurnPosted else { return }
    if !output.isEmpty {
      loop.setInterest(.writable, for: token)
    } else {
      loop.setInterest(wait == nil && !hasInputEnded ? .readable : .hangup, for: token)
    }
  }

  // MARK: Commands and replies

  private func perform(_ request: QMPRequest) {
    do throws(QMPError) {
      let command = try CommandTable.command(request.command)
      switch try command.perform(request.arguments, server.context(passed: passed)) {
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
    switch result {
    case .success(let value): send(QMPReply.success(value, id: id))
    case .failure(let error): send(QMPReply.failure(error, id: id))
    }
  }

  private func send(_ message: JSONValue) {
    output += message.printed.utf8
    output += [UInt8(ascii: "\r"), UInt8(ascii: "\n")]
    flush()
  }

  private func flush() {
    while !output.isEmpty, !isClosed {
      guard let count = connection.send(output[...], descriptor: outgoing?.number) else {
        output = []
        return server.close(self)
      }
      if count == 0 { return }
      outgoing = nil
      output.removeFirst(count)
    }
  }
}
