import SwiftVM

/// A key of a port's policy: one name, one kind of value and one place for the command line, `device_add`
/// and `swiftvm plug`.
package struct PolicyKey: Sendable {
  /// Which ports it is for.
  package enum Use: Sendable { case channels, consoles, allPorts }

  package let name: String
  package let use: Use
  /// The words that it may be; empty for a whole number.
  package let words: [String]
  /// Whether the text is a value; it is stored then.
  private let store: @Sendable (String, inout VirtioConsolePortPolicy) -> Bool

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
    words = Word.allCases.map(\.rawValue)
    store = { text, policy in
      guard let word = Word(rawValue: text) else { return false }
      policy[keyPath: place] = word
      return true
    }
  }

  private init(
    number name: String, _ use: Use,
    _ place: any WritableKeyPath<VirtioConsolePortPolicy, Int> & Sendable
  ) {
    (self.name, self.use, words) = (name, use, [])
    store = { text, policy in
      // Int takes a sign, too.
      guard text.utf8.first != UInt8(ascii: "+"), let number = Int(text), number >= 0 else {
        return false
      }
      policy[keyPath: place] = number
      return true
    }
  }

  /// The policy that keys describe.
  ///
  /// - Parameters:
  ///   - standard: what holds where no key says otherwise.
  ///   - value: the text of a key; nil where it is not given.
  ///   - refusal: the error about a text that is no value of its key.
  package static func policy<Failure: Error>(
    forConsole isConsole: Bool, standard: VirtioConsolePortPolicy = VirtioConsolePortPolicy(),
    value: (_ name: String) throws(Failure) -> String?,
    refusal: (_ key: PolicyKey, _ text: String) -> Failure
  ) throws(Failure) -> VirtioConsolePortPolicy {
    var policy = standard
    var given: [String] = []
    for key in all where key.use == .allPorts || (key.use == .consoles) == isConsole {
      guard let text = try value(key.name) else { continue }
      guard key.store(text, &policy) else { throw refusal(key, text) }
      given.append(key.name)
      // What is kept is not drained, and what is drained is discarded.
      if key.name == "on-host-close", policy.onHostClose == .keep { policy.drainMilliseconds = 0 }
    }
    if given.contains("drain"), !given.contains("on-host-close") { policy.onHostClose = .discard }
    return policy
  }
}
