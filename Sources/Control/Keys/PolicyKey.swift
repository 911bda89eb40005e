import SwiftVM

/// A key of a port's policy: one name, one kind of value and one place for the command line, `device_add`
/// and `swiftvm plug`.
package struct PolicyKey: Sendable {
  /// Which ports it is for.
  package enum Use: Sendable { case channels, consoles, allPorts }

  package let name: String
  package let use: Use
  /// What its value may be: a word or a whole number.
  package let kind: ValueKind
  private let store: @Sendable (KeyValue, inout VirtioConsolePortPolicy) -> Void

  /// Every key, in the order in which they are read.
  package static let all = [
    PolicyKey("on-host-close", .channels, \.onHostClose),
    PolicyKey("early", .channels, \.early),
    PolicyKey("on-guest-close", .channels, \.onGuestClose),
    PolicyKey(number: "drain", .channels, \.drainMilliseconds),
    PolicyKey(number: "gap", .channels, \.gapMilliseconds),
    PolicyKey("overflow", .consoles, \.overflow),
    PolicyKey(number: "weight", .allPorts, \.weight),
  ]

  private init<Word: RawRepresentable<String> & CaseIterable & SendableMetatype>(
    _ name: String, _ use: Use,
    _ place: any WritableKeyPath<VirtioConsolePortPolicy, Word> & Sendable
  ) {
    (self.name, self.use) = (name, use)
    kind = .choice(Word.allCases.map(\.rawValue))
    store = { value, policy in
      if case .text(let text) = value, let word = Word(rawValue: text) {
        policy[keyPath: place] = word
      }
    }
  }

  private init(
    number name: String, _ use: Use,
    _ place: any WritableKeyPath<VirtioConsolePortPolicy, Int> & Sendable
  ) {
    (self.name, self.use, kind) = (name, use, .number)
    store = { value, policy in
      if case .number(let number) = value { policy[keyPath: place] = number }
    }
  }

  /// The policy that keys describe.
  ///
  /// - Parameters:
  ///   - standard: what holds where no key says otherwise.
  ///   - value: reads the value of a key, which is of its kind; nil where it is not given.
  package static func policy<Failure: Error>(
    forConsole isConsole: Bool, standard: VirtioConsolePortPolicy = VirtioConsolePortPolicy(),
    value: (PolicyKey) throws(Failure) -> KeyValue?
  ) throws(Failure) -> VirtioConsolePortPolicy {
    var policy = standard
    var given: [String] = []
    for key in all where key.use == .allPorts || (key.use == .consoles) == isConsole {
      guard let value = try value(key) else { continue }
      key.store(value, &policy)
      given.append(key.name)
      // What is kept is not drained, and what is drained is discarded.
      if key.name == "on-host-close", policy.onHostClose == .keep { policy.drainMilliseconds = 0 }
    }
    if given.contains("drain"), !given.contains("on-host-close") { policy.onHostClose = .discard }
    return policy
  }
}
