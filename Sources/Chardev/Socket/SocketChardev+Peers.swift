import Host

// Clients that come and go, and what an event of the socket of one means.
extension SocketChardev: ClientAcceptor {
  /// How many clients may have left bytes here before further ones stay in the listener's backlog.
  private static let departedLimit = 2
  /// How many clients may wait here, those that have left included, before one that comes without a
  /// listener (`takeClient`) is refused.
  private static let waitingLimit = 32

  func receive(_ newcomer: SocketPeer) -> Bool {
    // The events of its going may be behind this one.
    peer?.examine()
    for peer in waiting { peer.examine() }
    waiting.removeAll { $0.isFinished }
    settle()
    guard loop != nil else { return false }
    let isTaken = peer.map { !$0.isHungUp } ?? false
    let presentCount = waiting.count { !$0.isHungUp }
    guard waiting.count < Self.waitingLimit else {
      refuse("what others have left is unread")
      return false
    }
    switch clients.judge(isTaken: isTaken, waitingCount: presentCount) {
    case .refuse:
      refuse("one is connected")
      return false
    case .enqueue: break
    case .replace:
      tally.dismissedClients &+= UInt64(presentCount) &+ (isTaken ? 1 : 0)
      if isTaken { peer?.finish() }
      waiting.removeAll { !$0.isHungUp }
    }
    tally.acceptedClients &+= 1
    newcomer.examine()
    waiting.append(newcomer)
    settle()
    updateInterest()
    if waiting.contains(where: { $0 === newcomer }) { noteWaiting() }
    return true
  }

  /// Serves this one client at once, if it can be watched, which gets some bytes before all others.
  /// The delegate is told from inside this call.
  func serve(_ client: SocketPeer, on loop: EventLoop, preface: [UInt8]) {
    self.loop = loop
    admit(client, preface: preface)
  }

  /// Looks whether the client has left, and lets it go if it has left nothing.
  func examineClient() {
    peer?.examine()
    settle()
  }

  /// Whether the client has closed both directions; what it has left may be unread.
  var hasClientLeft: Bool { peer?.isHungUp ?? true }

  /// Whether a part of a packet waits that the front end had no room for.
  var hasPacketRest: Bool { peer?.hasPacketRest == true }

  /// A client cannot be told so on a socket that carries the guest's bytes.
  private func noteWaiting() {
    guard clients == .queue else { return }
    tally.queuedClients &+= 1
    log.warning("socket '\(source.name)': a client waits for its turn (\(waiting.count) waiting)")
  }

  private func refuse(_ reason: String) {
    tally.refusedClients &+= 1
    log.warning(
      "socket '\(source.name)': a client was refused, since \(reason) "
        + "(\(tally.refusedClients) refused so far)")
  }

  private func isReady(_ peer: SocketPeer, for readiness: EventLoop.Readiness) {
    if !readiness.isDisjoint(with: [.hangup, .error]) {
      peer.examine()
      settle()
      updateInterest()
    }
    // Each call may change what the next condition asks, or end the peer.
    if readiness.contains(.readable), interest.contains(.readable), self.peer === peer {
      delegate?.chardevIsReadable(self)
    }
    if readiness.contains(.writable), self.peer === peer {
      peer.flushPreface()
      if interest.contains(.writable) { delegate?.chardevIsWritable(self) }
      updateInterest()
    }
  }

  /// Brings what the front end knows in line with what is the case. Only from the top of a loop's
  /// turn, since it calls the delegate.
  func settle() {
    defer { updateAcceptance() }
    while loop != nil {
      if peer?.isFinished == true {
        dropPeer()
        isConnected = false
        delegate?.chardevDidDisconnect(self)
        if peer == nil, waiting.isEmpty { source.lostPeer() }
      } else if peer == nil, !waiting.isEmpty {
        admit(waiting.removeFirst())
      } else {
        return
      }
    }
  }

  /// Further clients are accepted only when what those before them left has been read.
  private func updateAcceptance() {
    let departedCount = waiting.count { $0.isHungUp } + (peer?.isHungUp == true ? 1 : 0)
    source.setAccepts(departedCount < Self.departedLimit)
  }

  private func admit(_ next: SocketPeer, preface: [UInt8]? = nil) {
    next.examine()
    if next.isFinished { return passOver() }
    guard let loop else { return }
    next.begin(on: loop, preface: preface ?? replay?.bytes() ?? [])
    next.flushPreface()
    do {
      next.token = try loop.register(next.descriptor, interest: next.interest(interest)) {
        [weak self, unowned next] in
        self?.isReady(next, for: $0)
      }
    } catch {
      log.warning("socket '\(source.name)': a client is lost: \(error)")
      return passOver()
    }
    peer = next
    hasHadPeer = true
    isConnected = true
    delegate?.chardevDidConnect(self)
  }

  private func passOver() {
    if waiting.isEmpty { source.lostPeer() }
  }
}

extension SocketConfiguration.Clients {
  /// How many may wait in a queue.
  static let queueCapacity = 16

  /// What becomes of a client that comes to a socket with one place.
  enum Admission {
    /// It is closed at once.
    case refuse
    /// It gets the place when its turn comes, which may be at once.
    case enqueue
    /// It gets the place at once, or when what the last client has left is read. The client that
    /// has the place is closed, and so are those that wait.
    case replace
  }

  /// - Parameters:
  ///   - isTaken: a client has the place and is still there; one that has left keeps it only until
  ///     its bytes are read.
  ///   - waitingCount: clients that wait already and are still there; one that has left excludes
  ///     no other.
  func judge(isTaken: Bool, waitingCount: Int) -> Admission {
    switch self {
    case .exclusive: isTaken || waitingCount > 0 ? .refuse : .enqueue
    case .takeover: .replace
    case .queue: waitingCount < Self.queueCapacity ? .enqueue : .refuse
    case .broadcast: .enqueue
    }
  }
}
