import Glibc
import TestSupport
import Testing

/// `Tests/outcomes`, which tells `make test` what became of each test, on records made up for it.
@Suite
struct TestRecordTests {
  private let planned = [
    #"{"kind":"test","payload":{"id":"A.S","kind":"suite","name":"S"}}"#,
    #"{"kind":"test","payload":{"id":"A.S\/one()\/S.swift:5:4","isParameterized":false,"kind":"function","name":"one()"}}"#,
    #"{"kind":"test","payload":{"id":"A.S\/two()\/S.swift:9:4","isParameterized":true,"kind":"function","name":"two()"}}"#,
  ]

  private func event(_ kind: String, of test: String, symbol: String, text: String = "") -> String {
    #"{"kind":"event","payload":{"kind":"\#(kind)","messages":[{"symbol":"\#(symbol)","text":"\#(text)"}],"#
      + #""testID":"A.S\/\#(test)()\/S.swift:\#(test == "one" ? "5:4" : "9:4")"}}"#
  }

  private func outcomes(_ events: [String]) throws -> [String] {
    let directory = try TemporaryDirectory()
    let record = (planned + events).map { $0 + "\n" }.joined()
    try directory.makeFile("events", bytes: Array(record.utf8))
    let tests = Checkout.root + "/Tests"
    let command = "'\(tests)/outcomes' '\(directory["events"])' >'\(directory["outcomes"])'"
    #expect(system(command) == 0)
    return directory.text(of: "outcomes").split(separator: "\n").map(String.init)
  }

  @Test func whatEndedWellHasPassed() throws {
    let events = ["one", "two"].flatMap {
      [
        event("testStarted", of: $0, symbol: "default"),
        event("testEnded", of: $0, symbol: "pass", text: #"said \"fail\""#),
      ]
    }
    #expect(try outcomes(events) == ["passed\tA.S/one()", "passed\tA.S/two()"])
  }

  @Test func anIssueFailsItsTestAndNoOther() throws {
    let events = [
      event("testStarted", of: "one", symbol: "default"),
      event("testStarted", of: "two", symbol: "default"),
      event("issueRecorded", of: "two", symbol: "fail", text: "not equal"),
      event("issueRecorded", of: "two", symbol: "fail", text: "nor this"),
      event("testEnded", of: "one", symbol: "pass"), event("testEnded", of: "two", symbol: "fail"),
    ]
    #expect(try outcomes(events) == ["passed\tA.S/one()", "failed\tA.S/two()\tnot equal"])
  }

  @Test func whatStartedAndDidNotEndHasFailed() throws {
    let events = [
      event("testStarted", of: "one", symbol: "default"),
      event("testEnded", of: "one", symbol: "pass"),
      event("testStarted", of: "two", symbol: "default"),
    ]
    #expect(try outcomes(events) == ["passed\tA.S/one()", "failed\tA.S/two()\tdid not end"])
  }

  @Test func whatWasPlannedAndDidNotStartHasFailed() throws {
    let events = [event("testSkipped", of: "one", symbol: "skip", text: "no /dev/kvm")]
    #expect(try outcomes(events) == ["skipped\tA.S/one()", "failed\tA.S/two()\tdid not start"])
  }
}
