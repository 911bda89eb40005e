import Glibc
import SwiftVM
import Testing

@testable import Control

/// The protocol with one client.
@Suite struct QMPSessionTests {
  /// What a session answers to a text: replies as text, commands after a `>`, the last reply after an
  /// `!`.
  private func steps(_ text: String, to session: inout QMPSession) -> [String] {
    session.append(Array(text.utf8))
    var steps: [String] = []
    while let step = session.next() {
      switch step {
      case .reply(let reply): steps.append(reply.printed)
      case .command(let request):
        steps.append("> \(request.command) \(JSONValue.object(request.arguments).printed)")
      case .end(let reply): steps.append("! " + reply.printed)
      }
    }
    return steps
  }

  private func ready() -> QMPSession {
    var session = QMPSession()
    #expect(steps(#"{"execute":"qmp_capabilities"}"#, to: &session) == [#"{"return": {}}"#])
    return session
  }

  private func error(_ text: String, class errorClass: String = "GenericError") -> String {
    #"{"error": {"class": "\#(errorClass)", "desc": "\#(text)"}}"#
  }

  @Test func greets() {
    #expect(
      QMPSession.greeting(version: ["package": "x"]).printed
        == #"{"QMP": {"version": {"package": "x"}, "capabilities": []}}"#)
  }

  @Test("What a client sends does not make a reply of many times its size")
  func boundsReplies() {
    var session = ready()
    let text = String(repeating: "\u{7f}", count: 500_000)
    #expect(
      steps(#"{"execute":"stop","id":"\#(text)"}"#, to: &session) == [
        error("QMP input member 'id' has more than 4096 bytes")
      ])
    let nested = "[" + Array(repeating: "[]", count: 5000).joined(separator: ",") + "]"
    #expect(
      steps(#"{"execute":"stop","id":\#(nested)}"#, to: &session) == [
        error("QMP input member 'id' has more than 4096 bytes")
      ])
    let id = String(repeating: "x", count: 4000)
    #expect(steps(#"{"execute":"stop","id":"\#(id)"}"#, to: &session) == ["> stop {}"])
    let replies = steps(#"{"execute":"stop","\#(text)":1}"#, to: &session)
    #expect(replies == [error("JSON parse error, key is not ASCII of at most 256 bytes")])
  }

  @Test func negotiatesFirst() {
    var session = QMPSession()
    #expect(!session.isReady)
    #expect(
      steps(#"{"execute":"qmp_capabilities","arguments":{"enable":[]},"id":"x"}"#, to: &session)
        == [#"{"return": {}, "id": "x"}"#])
    #expect(session.isReady)
    #expect(
      steps(#"{"execute":"qmp_capabilities"}"#, to: &session) == [
        error(
          "Capabilities negotiation is already complete, command ignored", class: "CommandNotFound")
      ])
  }

  @Test(
    "An error before the negotiation ends the session, and nothing that follows is carried out",
    arguments: [
      (
        #"{"execute":"query-status","id":[1,{"a":null}]}"#,
        #"{"error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}, "id": [1, {"a": null}]}"#
      ),
      (
        #"{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}"#,
        #"{"error": {"class": "GenericError", "desc": "Capability oob not available"}}"#
      ),
      (
        #"{"execute":"qmp_capabilities","arguments":{"enable":["x"]}}"#,
        #"{"error": {"class": "GenericError", "desc": "Parameter 'enable' does not accept value 'x'"}}"#
      ),
      (
        #"{"execute":"qmp_capabilities","arguments":{"enable":1}}"#,
        #"{"error": {"class": "GenericError", "desc": "Invalid parameter type for 'enable', expected: array"}}"#
      ),
      (
        #"{"a":tru}"#,
        #"{"error": {"class": "GenericError", "desc": "JSON parse error, invalid keyword 'tru'"}}"#
      ),
      (
        "{\"a\n",
        #"{"error": {"class": "GenericError", "desc": "JSON parse error, a string without an end"}}"#
      ),
    ])
  func endsByAnErrorBeforeTheNegotiation(text: String, reply: String) {
    var session = QMPSession()
    let commands = #"{"execute":"qmp_capabilities"}{"execute":"quit"}"#
    #expect(steps(text + commands, to: &session) == ["! " + reply])
    #expect(steps(commands, to: &session) == [])
    #expect(!session.isReady)
  }

  @Test(
    "A byte that cannot begin an object ends the session, negotiated or not",
    arguments: [
      ("POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n", "'P'"), ("[]", "'['"), ("}", "'}'"),
      ("12 ", "'1'"), ("\"x\"", "'\\\"'"), ("\u{16}\u{3}\u{1}", "byte 0x16"), ("\0", "byte 0x0"),
    ])
  func endsByForeignBytes(text: String, byte: String) {
    let commands = #"{"execute":"qmp_capabilities"}{"execute":"quit"}"#
    for var session in [QMPSession(), ready()] {
      #expect(
        steps(" \r\n" + text + commands, to: &session) == [
          "! " + error("QMP input must be a JSON object, and none begins with \(byte)")
        ])
      #expect(steps(commands, to: &session) == [])
    }
  }

  @Test func passesCommandsOn() {
    var session = ready()
    #expect(
      steps(#"{"execute":"a"}{"arguments":{"x":1},"id":2,"execute":"b"} {"execute":"#, to: &session)
        == ["> a {}", #"> b {"x": 1}"#])
    #expect(steps(#""c"}"#, to: &session) == ["> c {}"])
  }

  @Test(arguments: [
    ("{}", "QMP input lacks member 'execute'"),
    (#"{"execute":12}"#, "QMP input member 'execute' must be a string"),
    (#"{"execute":"a","arguments":[]}"#, "QMP input member 'arguments' must be an object"),
    (#"{"execute":"a","foo":1}"#, "QMP input member 'foo' is unexpected"),
    (#"{"exec-oob":"a"}"#, "QMP input member 'exec-oob' is unexpected"),
    (#"{"a":tru}"#, "JSON parse error, invalid keyword 'tru'"),
  ])
  func refusesWhatIsNoCommand(text: String, problem: String) {
    var session = ready()
    #expect(steps(text, to: &session) == [error(problem)])
    #expect(steps(#"{"execute":"a"}"#, to: &session) == ["> a {}"])
  }

  @Test(
    "An id comes back as it was",
    arguments: [
      "1", "1.50", "18446744073709551616", "-0", #""x""#, "null", "true", #"{"a": [1, "b"]}"#, "[]",
    ])
  func echoesIDs(id: String) {
    var session = ready()
    #expect(
      steps(#"{"execute":1,"id":\#(id)}"#, to: &session) == [
        #"{"error": {"class": "GenericError", "desc": "QMP input member 'execute' must be a string"}, "id": \#(id)}"#
      ])
  }

  private func text(
    _ event: VirtualMachineEvent, at time: timespec,
    policy: VirtualMachineConfiguration.PanicPolicy = .pause
  ) -> String? {
    QMPEvent(event, onPanic: policy, byClient: false)?.json(at: time).printed
  }

  @Test func tellsWhatHappened() {
    let time = timespec(tv_sec: 5, tv_nsec: 6_999)
    #expect(
      text(.paused, at: time)
        == #"{"timestamp": {"seconds": 5, "microseconds": 6}, "event": "STOP"}"#)
    let events: [(VirtualMachineEvent, String)] = [
      (.reset(byGuest: true), #""RESET", "data": {"guest": true, "reason": "guest-reset"}}"#),
      (
        .shutdown(.stopped(signal: 15)),
        #""SHUTDOWN", "data": {"guest": false, "reason": "host-signal"}}"#
      ),
      (
        .shutdown(.poweredOff),
        #""SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#
      ),
      (
        .portChanged(id: "p", isOpen: true),
        #""VSERPORT_CHANGE", "data": {"id": "p", "open": true}}"#
      ),
      (
        .deviceRemoved(id: "p"),
        #""DEVICE_DELETED", "data": {"device": "p", "path": "/machine/peripheral/p"}}"#
      ),
      (.resumed, #""RESUME"}"#), (.powerButtonPressed, #""POWERDOWN"}"#),
      (.guestPanicked(startsCrashKernel: true), #""GUEST_PANICKED", "data": {"action": "run"}}"#),
    ]
    for (event, text) in events {
      #expect(self.text(event, at: time)?.hasSuffix(#", "event": "# + text) == true)
    }
    for (policy, action) in [
      (VirtualMachineConfiguration.PanicPolicy.proceed, "run"), (.pause, "pause"),
      (.exit, "poweroff"),
    ] {
      let text = self.text(.guestPanicked(startsCrashKernel: false), at: time, policy: policy)
      #expect(text?.hasSuffix(#"{"action": "\#(action)"}}"#) == true)
    }
  }
}
