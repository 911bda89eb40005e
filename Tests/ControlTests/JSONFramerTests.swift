import TestSupport
import Testing

@testable import Control

/// Where one object ends and the next begins.
@Suite struct JSONFramerTests {
  /// Every frame of a text: objects as they are, errors after a `!`, the foreign byte after a `?`.
  private func frames(
    _ bytes: [UInt8], pieces: Int = .max, framer: JSONFramer = JSONFramer()
  ) -> [String] {
    var framer = framer
    var frames: [String] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      framer.append(rest.prefix(pieces))
      rest = rest.dropFirst(pieces)
      while let frame = framer.next() {
        switch frame {
        case .object(let bytes): frames.append(String(decoding: bytes, as: UTF8.self))
        case .foreign(let byte): frames.append("?" + String(byte, radix: 16))
        case .broken(let reason): frames.append("!" + reason)
        }
      }
    }
    return frames
  }

  private func frames(_ text: String, by framer: JSONFramer = JSONFramer()) -> [String] {
    let whole = frames(Array(text.utf8), framer: framer)
    #expect(frames(Array(text.utf8), pieces: 1, framer: framer) == whole)
    return whole
  }

  @Test func cutsAtBracketsAndSpaces() {
    #expect(
      frames(#"{"a":1}{"b":[2]} {} "#) == [#"{"a":1}"#, #"{"b":[2]}"#, "{}"])
    #expect(frames("{\n \"a\" :\r\n 1\n}\n") == ["{\n \"a\" :\r\n 1\n}"])
  }

  @Test func waitsForTheRest() {
    #expect(frames(#"{"a": {"b""#) == [])
    #expect(frames(" \r\n\t") == [])
  }

  @Test("Nothing is found after a byte that begins no object")
  func endsAtForeignBytes() {
    for text in [
      "[3]", #""x""#, "12", "nul", "}", "]", ",", "\u{feff}", "\0", "GET / HTTP/1.1\r\n",
    ] {
      let byte = String(Array(text.utf8)[0], radix: 16)
      #expect(frames("{}" + text + "{}\r\n{}") == ["{}", "?" + byte])
    }
    for byte in [0xfe, 0xff] as [UInt8] {
      #expect(frames([byte] + Array("{}".utf8)) == ["?" + String(byte, radix: 16)])
    }
  }

  @Test func seesNoBracketsInStrings() {
    #expect(frames(#"{"}\"}":'{"'}{}"#) == [#"{"}\"}":'{"'}"#, "{}"])
  }

  @Test func passesStrayEndsOn() {
    #expect(frames("{]{}") == ["{]", "{}"])
  }

  @Test("A line end within a string ends what is incomplete, and so do 0xFE and 0xFF")
  func startsAnew() {
    #expect(
      frames("{\"a\": \"b\n{\"c\":1}") == [
        "!JSON parse error, a string without an end", "{\"c\":1}",
      ])
    #expect(
      frames(Array("{\"a\": [".utf8) + [0xff] + Array("{}".utf8)) == [
        "!JSON parse error, stray '\\xff'", "{}",
      ])
  }

  @Test("What is too deep or too long costs one error, and the next value is found")
  func limitsDepthAndSize() {
    let framer = JSONFramer(sizeLimit: 10, depthLimit: 3)
    #expect(
      frames("{{[]}}{[[[[]]]]}{}", by: framer) == [
        "{{[]}}", "!JSON nesting depth limit exceeded", "{}",
      ])
    #expect(
      frames(#"{"0123456789}"}{}"#, by: framer) == [
        "!JSON token size limit exceeded", "{}",
      ])
    #expect(
      frames("{012345678}{0123456789}{}", by: framer) == [
        "!JSON token size limit exceeded", "!JSON token size limit exceeded", "{}",
      ])
    #expect(frames("{01234567}{}", by: framer) == ["{01234567}", "{}"])
    // Nothing of what is thrown away is taken for a command.
    #expect(frames(#"{[[[{"a":1}]]]}"#, by: framer) == ["!JSON nesting depth limit exceeded"])
  }

  @Test(
    "Any bytes in any pieces: the next object is found, unless one began none",
    arguments: 1...20 as ClosedRange<UInt64>)
  func survivesAnyBytes(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let noise = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
        Bool.random(using: &generator)
          ? UInt8.random(in: 0...255, using: &generator)
          : Array(#"{}[]"'\"#.utf8).randomElement(using: &generator) ?? 0
      }
      // 0xff ends the object that the noise is in, at the latest.
      let bytes = Array("{".utf8) + noise + [0xff] + Array(#"{"a":1}"#.utf8)
      let piece = Int.random(in: 1...20, using: &generator)
      let last = frames(bytes, pieces: piece).last
      #expect(last == #"{"a":1}"# || last?.first == "?")
      #expect(frames(bytes, pieces: piece) == frames(bytes))
    }
  }
}
