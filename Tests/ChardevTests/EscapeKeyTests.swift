import Chardev
import Testing

@Suite struct EscapeKeyTests {
  private func actions(_ keys: [UInt8]) -> [EscapeKey.Action] {
    var escape = EscapeKey()
    return keys.map { escape.action(for: $0) }
  }

  private let prefix: UInt8 = 0x01

  @Test func passesEveryOtherByte() {
    let bytes = (UInt8.min...UInt8.max).filter { $0 != prefix }
    #expect(actions(bytes) == bytes.map { .pass($0) })
  }

  @Test func endsHelpsAndSendsItself() {
    #expect(actions([prefix, UInt8(ascii: "x")]) == [.ignore, .end])
    #expect(actions([prefix, UInt8(ascii: "h")]) == [.ignore, .help])
    #expect(actions([prefix, UInt8(ascii: "?")]) == [.ignore, .help])
    #expect(actions([prefix, UInt8(ascii: "a")]) == [.ignore, .pass(prefix)])
    #expect(actions([prefix, prefix]) == [.ignore, .pass(prefix)])
  }

  @Test func sendsABreakAndSwitches() {
    #expect(actions([prefix, UInt8(ascii: "b")]) == [.ignore, .sendBreak])
    #expect(actions([prefix, UInt8(ascii: "c")]) == [.ignore, .switchFocus])
  }

  @Test func helpNamesWhatThereIs() {
    #expect(!EscapeKey.help(canSwitch: false).contains("Ctrl-A c"))
    for key in ["x", "b", "c", "a", "h"] {
      #expect(EscapeKey.help(canSwitch: true).contains("\r\nCtrl-A \(key)  "))
    }
  }

  @Test func swallowsAnUnknownEscape() {
    #expect(
      actions([prefix, UInt8(ascii: "z"), UInt8(ascii: "x")])
        == [.ignore, .ignore, .pass(UInt8(ascii: "x"))])
  }

  @Test func startsAnewAfterEachEscape() {
    #expect(
      actions([prefix, prefix, UInt8(ascii: "x")])
        == [.ignore, .pass(prefix), .pass(UInt8(ascii: "x"))])
    #expect(
      actions([prefix, prefix, prefix, UInt8(ascii: "x")])
        == [.ignore, .pass(prefix), .ignore, .end])
  }
}
