/// The keys that speak to the program instead of the guest, on a terminal that the guest has for
/// itself: Ctrl-A, then one more.
///
/// Takes one byte at a time and remembers where it is, so the two may come in separate reads.
package struct EscapeKey: Sendable {
  /// What is to be done for a byte.
  package enum Action: Equatable, Sendable {
    /// The guest gets this byte.
    case pass(UInt8)
    /// Nothing: half of an escape, or an unknown one.
    case ignore
    /// Ctrl-A x: the user wants the program to end.
    case end
    /// Ctrl-A h: the user wants to see these keys.
    case help
  }

  /// Ctrl-A.
  package static let prefix: UInt8 = 0x01

  /// What Ctrl-A h prints, with line ends for a raw terminal.
  package static let help =
    "\r\nCtrl-A x  end the machine\r\nCtrl-A a  send Ctrl-A to the guest (Ctrl-A Ctrl-A as well)\r\nCtrl-A h  this help\r\n"

  private var isPrefixSeen = false

  package init() {}

  /// Takes the next byte that was typed.
  package mutating func action(for byte: UInt8) -> Action {
    guard isPrefixSeen else {
      guard byte == EscapeKey.prefix else { return .pass(byte) }
      isPrefixSeen = true
      return .ignore
    }
    isPrefixSeen = false
    switch byte {
    case EscapeKey.prefix, UInt8(ascii: "a"): return .pass(EscapeKey.prefix)
    case UInt8(ascii: "x"): return .end
    case UInt8(ascii: "h"), UInt8(ascii: "?"): return .help
    default: return .ignore
    }
  }
}
