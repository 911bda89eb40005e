import Chardev

/// The keys that were given for a backend, in one place, each with its value.
package struct GivenKeys {
  package let place: BackendKey.Place
  private let table: BackendKeys
  private let values: KeyValues

  /// Keeps what was given.
  ///
  /// - Parameters:
  ///   - values: by the keys' names in that place.
  ///   - table: the keys that there are.
  ///   - place: where they are given.
  package init(
    _ values: KeyValues, _ table: BackendKeys, in place: BackendKey.Place
  ) {
    (self.values, self.table, self.place) = (values, table, place)
  }

  // MARK: Values

  /// The value of a key, by its name in this place; nil where it was not given.
  subscript(name: String) -> KeyValue? { values[name] }

  func text(_ name: String) -> String? { values[name]?.text }

  func number(_ name: String) -> Int? { values[name]?.number }

  func port(_ name: String) -> UInt16? { number(name).map { UInt16(clamping: $0) } }

  func isOn(_ name: String) -> Bool? { values[name]?.isOn }

  /// A text without which there is no backend.
  func required(_ name: String, of example: String) throws(KeyProblem) -> String {
    guard let text = text(name) else {
      throw KeyProblem("the key \"\(name)\" is missing", "give -chardev \(example),id=ID")
    }
    return text
  }

  /// Whether a time to connect again is given.
  var reconnects: Bool { ["reconnect", "reconnect-ms"].contains { (number($0) ?? 0) != 0 } }

  /// Whether a socket may be reached from other machines.
  var isReachable: Bool {
    let key = table.keys.first { $0.name == "expose" }
    return key?.name(in: place).flatMap(isOn) ?? false
  }

  private var named: [(key: BackendKey, name: String)] {
    table.keys.compactMap { key in key.name(in: place).map { (key, $0) } }
  }

  /// The names of the table's keys that were given.
  ///
  /// - Parameter haveTargets: whether of those for some kinds of backends, or of those for any.
  package func names(ofTargets haveTargets: Bool) -> [String] {
    named.filter { values[$0.name] != nil && $0.key.purpose.targets.isEmpty != haveTargets }
      .map(\.name)
  }

  /// Refuses keys that cannot be given, or not together.
  ///
  /// - Parameter targets: the kinds of backends that are described; a key that fits none is refused.
  package func check(for targets: Set<BackendKey.Target>) throws(KeyProblem) {
    let given = named.filter { values[$0.name] != nil }
    for (key, name) in given where !key.fits(targets) && !key.isIgnored(in: place) {
      throw KeyProblem("\"\(name)\" is for \(key.purpose.noun)")
    }
    for (key, name) in given {
      if let other = named.first(where: { $0.key.name == key.companion }),
        values[other.name] == nil
      {
        throw KeyProblem(
          "\"\(name)\" is without \"\(other.name)\"", "give \(other.name)=\(other.key.usage)")
      }
      if let other = named.first(where: { $0.key.name == key.twin }), values[other.name] != nil {
        throw KeyProblem("\"\(other.name)\" and \"\(name)\" are the same", "give one of them")
      }
    }
  }

  // MARK: Backends

  /// A backend of this kind, with the values that fit it.
  package func refined(
    _ backend: ChardevConfiguration.Backend, as target: BackendKey.Target?
  ) -> ChardevConfiguration.Backend {
    var draft = BackendDraft(backend)
    put(into: &draft) { $0.fits(target.map { [$0] } ?? []) }
    // Without a host, a socket is for this one, unless others are to reach it.
    if case .tcp("", let port, let lastPort) = draft.socket?.address,
      draft.socket?.isReachableFromOutside == false
    {
      draft.socket?.address = .tcp(host: InternetAddress.loopback, port: port, lastPort: lastPort)
    }
    return draft.backend
  }

  /// A backend with the values of the keys that any has: its id, its log and whether it is shared.
  package func completed(_ backend: ChardevConfiguration.Backend) -> ChardevConfiguration {
    var draft = BackendDraft(backend)
    put(into: &draft, where: \.purpose.targets.isEmpty)
    return draft.chardev
  }

  private func put(into draft: inout BackendDraft, where isMeant: (BackendKey) -> Bool) {
    for (key, name) in named where isMeant(key) {
      if let value = values[name] { key.put(value, into: &draft) }
    }
  }
}
