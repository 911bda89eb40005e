import Host
import Testing

@Suite
struct PlainTextTests {
  @Test(arguments: [
    ("plain öß 漢字 🙂", "plain öß 漢字 🙂"),
    ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
    ("\u{1b}[31m\u{0}\u{7f}", "\\x1b[31m\\x00\\x7f"),
    ("\u{85}\u{202e}\u{2028}\u{2029}", "\\u{85}\\u{202e}\\u{2028}\\u{2029}"),
  ])
  func escapesWhatDisturbsALine(text: String, escaped: String) {
    #expect(PlainText.escaped(text) == escaped)
  }

  @Test func showsBytesThatAreNotText() {
    #expect(PlainText.displayed([0x61, 0xff, 0x62, 0x80]) == "a\\xffb\\x80")
    #expect(PlainText.displayed(Array("é".utf8)) == "é")
    #expect(PlainText.displayed([]) == "")
  }

  @Test func keepsBothEndsOfALongText() {
    let exact = String(repeating: "x", count: PlainText.maximumLength)
    #expect(PlainText.shortened(exact) == exact)
    let long = "begin" + String(repeating: "-", count: 500) + "end"
    let short = PlainText.shortened(long)
    #expect(short.count == PlainText.maximumLength)
    #expect(short.hasPrefix("begin-"))
    #expect(short.hasSuffix("-end"))
    #expect(short.contains("..."))
  }

  @Test func boundsATextOfControlCharacters() {
    let controls = String(repeating: "\u{1}", count: 1000)
    #expect(PlainText.quoted(controls).count == PlainText.maximumLength + 2)
  }
}
