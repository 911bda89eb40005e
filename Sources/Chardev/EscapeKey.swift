/// The keys that speak to the program instead of the guest, on a terminal that the guest has for
/// itself: Ctrl-A, then one more, as QEMU has them.
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
    /// Ctrl-A b: the guest is to notice a break, where it can.
    case sendBreak
    /// Ctrl-A c: what is typed goes to the next front end from now on.
    case switchFocus
  }

  /// Ctrl-A.
  package static let prefix: UInt8 = 0x01

  private var isPrefixSeen = false

  package init() {}

  /// What Ctrl-A h prints, with line ends for a raw terminal.
  ///
  /// - Parameter canSwitch: whether there are several front ends.
  package static func help(canSwitch: Bool) -> String {
    let keys = [
      "x  end the machine", "b  send a break (magic SysRq of a serial line)",
      canSwitch ? "c  switch to the next console" : nil,
      "a  send Ctrl-A to the guest (Ctrl-A Ctrl-A as well)", "h  this help",
    ]
    return "\r\n" + keys.compactMap { $0.map { "Ctrl-A \($0)\r\n" } }.joined()
  }

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
    case UInt8(ascii: "b"): return .sendBreak
    case UInt8(ascii: "c"): return .switchFocus
    case UInt8(ascii: "h"), UInt8(ascii: "?"): return .help
    default: return .ignore
    }
  }
}
