import Chardev

/// The keys that were given for a backend, read by the table.
package struct GivenKeys {
  private var given: [(key: BackendKey, value: KeyValue)] = []

  /// Reads keys.
  ///
  /// - Parameters:
  ///   - table: the keys that there are.
  ///   - place: where they are given.
  ///   - targets: the kinds of backends that are described; a key that fits none is refused.
  ///   - isGiven: whether a key is given, by its name in that place.
  ///   - value: its value.
  package init(
    _ table: BackendKeys, in place: BackendKey.Place, for targets: Set<BackendKey.Target>,
    isGiven: (_ name: String) -> Bool,
    value: (_ key: BackendKey, _ name: String) throws(KeyProblem) -> KeyValue
  ) throws(KeyProblem) {
    let named = table.keys.compactMap { key in key.name(in: place).map { (key, name: $0) } }
    let all = named.filter { isGiven($0.name) }
    for (key, name) in all where !key.fits(targets) && !key.isIgnored(in: place) {
      throw KeyProblem("\"\(name)\" is for \(key.purpose.noun)")
    }
    for (key, name) in all {
      if let other = named.first(where: { $0.0.name == key.companion }), !isGiven(other.name) {
        throw KeyProblem(
          "\"\(name)\" is without \"\(other.name)\"", "give \(other.name)=\(other.0.usage)")
      }
      if let other = named.first(where: { $0.0.name == key.twin }), isGiven(other.name) {
        throw KeyProblem("\"\(other.name)\" and \"\(name)\" are the same", "give one of them")
      }
    }
    for (key, name) in all { given.append((key, try value(key, name))) }
  }

  /// The value of a key, by its name in the short form; nil where it was not given.
  package subscript(name: String) -> KeyValue? { given.first { $0.key.name == name }?.value }

  /// A backend of this kind, with the values that fit it.
  ///
  /// - Parameter waits: what `wait` is for a listening socket where it is not given.
  package func refined(
    _ backend: ChardevConfiguration.Backend, as target: BackendKey.Target?, waits: Bool
  ) -> ChardevConfiguration.Backend {
    var draft = BackendDraft(backend)
    if waits, case .listening = draft.socket?.role {
      draft.socket?.role = .listening(waitsForClient: true)
    }
    for (key, value) in given where key.fits(target.map { [$0] } ?? []) {
      key.put(value, into: &draft)
    }
    // Without a host, a socket is for this one, unless others are to reach it.
    if case .tcp("", let port, let lastPort) = draft.socket?.address,
      draft.socket?.isReachableFromOutside == false
    {
      draft.socket?.address = .tcp(host: InternetAddress.loopback, port: port, lastPort: lastPort)
    }
    return draft.backend
  }

  /// A socket as QEMU describes it, with the values that fit it.
  package func socket(
    _ address: SocketConfiguration.Address, isListening: Bool, waits: Bool
  ) -> ChardevConfiguration.Backend {
    let socket = SocketConfiguration(address, role: isListening ? .listening() : .connecting())
    let target = BackendKey.Target(address, isListening: isListening)
    return refined(.socket(socket), as: target, waits: waits)
  }

  /// A backend with the values of the keys that any has: its id, its log and whether it is shared.
  package func completed(_ backend: ChardevConfiguration.Backend) -> ChardevConfiguration {
    var draft = BackendDraft(backend)
    for (key, value) in given where key.purpose.targets.isEmpty { key.put(value, into: &draft) }
    return draft.chardev
  }
}

extension BackendKey.Target {
  /// The kind of a socket.
  package init(_ address: SocketConfiguration.Address, isListening: Bool) {
    self =
      switch address {
      case .unix: isListening ? .listener : .connector
      case .abstract: isListening ? .abstractListener : .connector
      case .tcp: isListening ? .tcpListener : .tcpConnector
      }
  }
}
