import TestSupport
import Testing

@testable import Control

/// JSON text to values and back.
@Suite struct JSONTests {
  private func parsed(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

  private func problem(_ bytes: [UInt8]) -> String? {
    do throws(QMPError) {
      _ = try JSONParser.parse(bytes)
      return nil
    } catch {
      return error.description
    }
  }

  @Test func readsEveryKindOfValue() throws {
    let value = try parsed(
      #" {"a": [null, true, false, -0, 1.5e+3, "x\n\"\\\/\u00e9\ud83d\ude00"], 'b': {}, "c": []} "#)
    #expect(
      value == [
        "a": [.null, true, false, .number("-0"), .number("1.5e+3"), "x\n\"\\/é😀"], "b": [:],
        "c": [],
      ])
    #expect(value["a"]?.elements?.count == 6)
    #expect(value["b"]?.members == [])
    #expect(value["d"] == nil)
  }

  @Test func printsOnOneLineInASCII() {
    let value: JSONValue = ["a": [1, .null, true], "b": "é\u{1}\"😀\t", "c": [:], "d": []]
    #expect(
      value.printed
        == #"{"a": [1, null, true], "b": "\u00E9\u0001\"\uD83D\uDE00\t", "c": {}, "d": []}"#)
  }

  @Test(arguments: [
    ("", "expecting value"), ("}", "expecting value"), (#"{"a":1,}"#, "expecting value"),
    ("[1,]", "expecting value"), ("[1", "expected separator in list"),
    ("[1 2]", "expected separator in list"), (#"{"a":1 "b":2}"#, "expected separator in dict"),
    (#"{"a" 1}"#, "missing : in object pair"), ("{1:2}", "key is not a string in object"),
    (#"{"a":1,"a":2}"#, "duplicate key"), ("tru", "invalid keyword 'tru'"), ("+1", "stray '+'"),
    ("01", "stray '0'"), ("1.", "stray '1.'"), ("-", "stray '-'"), ("1e", "stray '1e'"),
    ("@", "stray '@'"), ("1 2", "something follows the value"),
    (#""\q""#, "invalid escape sequence in string"),
    (#""\u12""#, "invalid escape sequence in string"),
    (#""\u+123""#, "invalid escape sequence in string"),
    (#""\ud800""#, #"\u escape is not a valid Unicode character"#),
    (#""\ud800A""#, #"\u escape is not a valid Unicode character"#),
    ("\"a\u{1}\"", "control character in string"), ("\"a", "a string without an end"),
  ])
  func saysWhatIsWrong(text: String, expected: String) {
    #expect(problem(Array(text.utf8)) == "JSON parse error, " + expected)
  }

  @Test func takesNoBrokenUTF8() {
    #expect(
      problem([0x22, 0xc3, 0x28, 0x22]) == "JSON parse error, invalid UTF-8 sequence in string")
    #expect(
      problem([0x22, 0xed, 0xa0, 0x80, 0x22])
        == "JSON parse error, invalid UTF-8 sequence in string")
  }

  @Test func limitsDepthAndCount() {
    let deep = [UInt8](repeating: 0x5b, count: 100_000)
    #expect(problem(deep) == "JSON parse error, nesting depth limit exceeded")
    let long = "[" + String(repeating: "0,", count: 100_000) + "0]"
    #expect(problem(Array(long.utf8)) == "JSON parse error, token count limit exceeded")
  }

  @Test("Values of every shape come back as they were", arguments: 1...20 as ClosedRange<UInt64>)
  func returnsWhatItPrinted(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<50 {
      let value = randomValue(&generator, depth: 5)
      #expect(try parsed(value.printed) == value)
    }
  }

  @Test("Any bytes are a value or an error", arguments: 1...20 as ClosedRange<UInt64>)
  func survivesAnyBytes(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let alphabet = Array(#"{}[]:,"'\utrefalsn0123456789.+-e \#u{ff}@"#.utf8)
    for _ in 0..<500 {
      let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
        alphabet.randomElement(using: &generator) ?? 0
      }
      if let value = try? JSONParser.parse(bytes) {
        #expect((try? parsed(value.printed)) == value)
      }
    }
  }

  private func randomValue(_ generator: inout SeededGenerator, depth: Int) -> JSONValue {
    switch Int.random(in: depth > 0 ? 0...6 : 2...6, using: &generator) {
    case 0:
      return .array(
        (0..<Int.random(in: 0...3, using: &generator)).map { _ in
          randomValue(&generator, depth: depth - 1)
        })
    case 1:
      return .object(
        (0..<Int.random(in: 0...3, using: &generator)).map {
          .init(name: "\($0)", value: randomValue(&generator, depth: depth - 1))
        })
    case 2: return .null
    case 3: return .bool(.random(using: &generator))
    case 4: return .integer(Int.random(in: .min ... .max, using: &generator))
    default:
      let scalars = (0..<Int.random(in: 0...8, using: &generator)).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 0...0x10ffff, using: &generator))
      }
      return .string(String(String.UnicodeScalarView(scalars)))
    }
  }
}
