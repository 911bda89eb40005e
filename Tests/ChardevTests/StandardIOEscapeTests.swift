import CKVM
import Glibc
import Host
import Testing

@testable import Chardev

/// The keys that speak to the program, typed on its standard input.
@Suite struct StandardIOEscapeTests {
  /// A guest that takes no input can be ended all the same.
  @Test func endsOnTheEscapeFromTheLoop() throws {
    let console = try Console(escape: EscapeKey())
    console.type("a\u{1}xb")
    #expect(console.loop.turn { console.ends == 1 })
    #expect(console.frontEnd.received.isEmpty)
    console.frontEnd.setWantsReadable(true)
    #expect(console.loop.turn { console.frontEnd.text == "ab" })
    #expect(console.ends == 1)
  }

  @Test func remembersAnEscapeAcrossReads() throws {
    let console = try Console(escape: EscapeKey())
    console.frontEnd.setWantsReadable(true)
    console.type("a\u{1}")
    #expect(console.loop.turn { console.frontEnd.text == "a" })
    console.type("a")
    #expect(console.loop.turn { console.frontEnd.text == "a\u{1}" })
    console.type("\u{1}")
    #expect(console.loop.turn { console.standardIO.bytesRead == 4 })
    console.type("x")
    #expect(console.loop.turn { console.ends == 1 })
    #expect(console.frontEnd.text == "a\u{1}")
  }

  @Test func printsHelp() throws {
    let console = try Console(escape: EscapeKey())
    console.frontEnd.setWantsReadable(true)
    console.type("\u{1}h")
    #expect(console.loop.turn { console.standardIO.bytesRead == 2 })
    #expect(console.shown() == EscapeKey.help(canSwitch: false))
    #expect(console.frontEnd.text == "")
  }

  @Test func passesEscapesOnWithoutAFilter() throws {
    let console = try Console()
    console.frontEnd.setWantsReadable(true)
    console.type("\u{1}x")
    #expect(console.loop.turn { console.frontEnd.text == "\u{1}x" })
    #expect(console.ends == 0)
  }

  @Test func spreadsFilteredKeysOverSegments() throws {
    let console = try Console(escape: EscapeKey())
    console.type("1\u{1}a2345")
    #expect(console.loop.turn { console.standardIO.bytesRead == 7 })
    var buffer = [UInt8](repeating: 0, count: 4)
    let result = buffer.withUnsafeMutableBytes { buffer in
      let segments = [
        iovec(iov_base: buffer.baseAddress, iov_len: 1),
        iovec(iov_base: nil, iov_len: 0),
        iovec(iov_base: buffer.baseAddress.map { $0 + 1 }, iov_len: 3),
      ]
      return segments.withUnsafeBufferPointer { console.frontEnd.chardev.read(into: $0) }
    }
    #expect(result == .transferred(4))
    #expect(buffer == [UInt8(ascii: "1"), 1, UInt8(ascii: "2"), UInt8(ascii: "3")])
  }
}
