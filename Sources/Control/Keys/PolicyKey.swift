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
  /// The key as it is typed, with what stands for its value.
  package let usage: String
  /// What it does, in sentences; unwrapped.
  package let help: String
  private let store: @Sendable (KeyValue, inout VirtioConsolePortPolicy) -> Void

  /// Every key, in the order in which they are read.
  package static let all = [
    PolicyKey(
      "on-host-close", .channels, \.onHostClose,
      "Channel: what becomes of bytes the guest has written when the client leaves. Default: keep,"
        + " the next client gets them."),
    PolicyKey(
      "early", .channels, \.early,
      "Channel: what becomes of bytes a client sends while the guest has the port closed. Default:"
        + " hold, they wait, even if the client leaves."),
    PolicyKey(
      "on-guest-close", .channels, \.onGuestClose,
      "Channel: what the client sees when the guest closes the port. keep: nothing (the default);"
        + " shutdown: the end of the file, and it may still send; close: the end of the connection."
    ),
    PolicyKey(
      "drain", "MILLISECONDS", .channels, \.drainMilliseconds,
      "Channel: when a client leaves, the guest is told only once it has written nothing for so"
        + " long, after ten seconds at the latest. What it writes until then is discarded, and the"
        + " next client waits. For guests that spin when they cannot write, as qemu-ga does."
        + " Default: 0, it is told at once."),
    PolicyKey(
      "gap", "MILLISECONDS", .channels, \.gapMilliseconds,
      "Channel: the guest's time to notice that a client has left, from when its driver has taken"
        + " the message. The next client's bytes wait until then. Default: 0, it may take two"
        + " clients that follow each other for one."),
    PolicyKey(
      "overflow", .consoles, \.overflow,
      "Console: what is dropped when the backend does not keep up. With wait, which --serial takes,"
        + " too, nothing: the CPU that prints stands still as long as a reader is there. Default:"
        + " drop-newest."),
    PolicyKey(
      "weight", "1...64", .allPorts, \.weight,
      "The port's share where several have more to do than the machine can: 16 KiB a turn for each"
        + " unit. Default: 16."),
  ]

  private init<Word: RawRepresentable<String> & CaseIterable & SendableMetatype>(
    _ name: String, _ use: Use,
    _ place: any WritableKeyPath<VirtioConsolePortPolicy, Word> & Sendable, _ help: String
  ) {
    (self.name, self.use, self.help) = (name, use, help)
    kind = .choice(Word.allCases.map(\.rawValue))
    usage = name + "=" + kind.usage
    store = { value, policy in
      if let word = Word(rawValue: value.text) { policy[keyPath: place] = word }
    }
  }

  private init(
    _ name: String, _ number: String, _ use: Use,
    _ place: any WritableKeyPath<VirtioConsolePortPolicy, Int> & Sendable, _ help: String
  ) {
    (self.name, self.use, self.help) = (name, use, help)
    (kind, usage) = (.number, name + "=" + number)
    store = { value, policy in policy[keyPath: place] = value.number }
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
