import CKVM
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct MuxChardevTests {
  private let loop: EventLoop
  private let backend = ScriptedChardev()
  private let mux: MuxChardev
  private let first: RecordingFrontEnd
  private let second: RecordingFrontEnd
  private let ends = Counter()

  init() throws {
    loop = try EventLoop()
    mux = MuxChardev(backend, whenEnded: { [ends] in ends.count += 1 })
    first = RecordingFrontEnd(mux.makeEnd(name: "com1"))
    second = RecordingFrontEnd(mux.makeEnd(name: "hvc0"))
    try first.chardev.start(on: loop)
    try second.chardev.start(on: loop)
  }

  private func type(_ text: String) {
    backend.send(Array(text.utf8))
    loop.settle()
  }

  private func shown() -> String { String(decoding: backend.takeReceived(), as: UTF8.self) }

  @Test func allEndsAreConnectedWithTheBackend() {
    #expect(first.events == [] && second.events == [])
    #expect(first.chardev.filename == "scripted")
    backend.connect()
    #expect(first.events == [.connected] && second.events == [.connected])
    loop.settle()
    #expect(second.events == [.connected])
    backend.disconnect()
    #expect(first.events == [.connected, .disconnected])
    #expect(second.events == [.connected, .disconnected])
    #expect(first.write("x") == .disconnected)
    #expect(first.read() == .disconnected)
  }

  @Test func anEndThatComesLaterIsConnectedToo() throws {
    backend.connect()
    let third = RecordingFrontEnd(mux.makeEnd())
    try third.chardev.start(on: loop)
    #expect(third.events == [])
    loop.settle()
    #expect(third.events == [.connected])
  }

  @Test func showsTheOutputOfAll() {
    backend.connect()
    #expect(first.write("one ") == .transferred(4))
    #expect(second.write("two") == .transferred(3))
    #expect(shown() == "one two")
  }

  @Test func whatIsTypedGoesToTheOneInFocus() {
    backend.connect()
    first.setWantsReadable(true)
    second.setWantsReadable(true)
    type("ls\r\u{1}cps\r\u{1}cw\r")
    #expect(first.text == "ls\rw\r")
    #expect(second.text == "ps\r")
    #expect(shown() == "\r\n[hvc0]\r\n\r\n[com1]\r\n")
  }

  @Test func typesAheadForABusyFrontEndButNotWithoutBounds() {
    backend.connect()
    type(String(repeating: "x", count: 10_000))
    #expect((4096...8192).contains(10_000 - backend.outgoing.count))
    #expect(!backend.wantsReadable)
    #expect(first.readableCalls == 0)
    first.setWantsReadable(true)
    backend.deliver()
    for _ in 0..<10 where first.received.count < 10_000 {
      loop.settle()
      backend.deliver()
    }
    #expect(first.received.count == 10_000)
  }

  @Test func escapesWorkWhereverTheyAreCut() {
    backend.connect()
    first.setWantsReadable(true)
    for piece in ["a", "\u{1}", "\u{1}", "b\u{1}", "a", "\u{1}", "x"] { type(piece) }
    #expect(first.text == "a\u{1}b\u{1}")
    #expect(ends.count == 1)
    type("\u{1}h")
    #expect(shown() == EscapeKey.help(canSwitch: true))
  }

  @Test func anEscapeHalfTypedIsForgottenWithItsClient() {
    backend.connect()
    first.setWantsReadable(true)
    type("\u{1}")
    backend.disconnect()
    backend.connect()
    type("x")
    #expect(ends.count == 0)
    #expect(first.text == "x")
  }

  @Test func passesABreakToTheOneInFocus() {
    let listener = BreakListener()
    second.chardev.delegate = listener
    backend.connect()
    type("\u{1}b\u{1}c\u{1}b\u{1}b")
    #expect(listener.breaks == 2)
  }

  @Test func typedBytesComeBeforeTheDisconnection() {
    backend.connect()
    type("exit\r")
    backend.disconnect()
    #expect(first.events == [.connected])
    #expect(second.events == [.connected, .disconnected])
    first.setWantsReadable(true)
    loop.settle()
    #expect(first.text == "exit\r")
    #expect(first.events == [.connected, .disconnected])
  }

  @Test func wakesAllThatWaitForRoom() {
    backend.connect()
    backend.writeRoom = 0
    #expect(first.write("x") == .wouldBlock)
    first.setWantsWritable(true)
    second.setWantsWritable(true)
    first.whenWritable = { first.setWantsWritable(false) }
    second.whenWritable = { second.setWantsWritable(false) }
    backend.takeMore(100)
    #expect(first.writableCalls == 1 && second.writableCalls == 1)
    #expect(!backend.wantsWritable)
  }

  @Test func endsWithItsLastEnd() {
    backend.connect()
    first.chardev.session?.endOutput()
    first.chardev.session?.disconnectClient()
    #expect(backend.outputEnds == 0 && backend.disconnections == 0, "another one uses it")
    first.chardev.stop()
    #expect(!backend.isStopped)
    second.setWantsReadable(true)
    type("x\u{1}cy")
    #expect(second.text == "xy", "the focus is its alone")
    second.chardev.session?.disconnectClient()
    #expect(backend.disconnections == 1)
    second.chardev.stop()
    #expect(backend.isStopped)
  }

  @Test func passesTheWindowsSizeOn() {
    backend.connect()
    backend.resize(columns: 132, rows: 43)
    #expect(first.chardev.terminal?.windowSize?.columns == 132)
    #expect(second.chardev.terminal?.windowSize?.rows == 43)
  }
}

private final class Counter {
  var count = 0
}

private final class BreakListener: ChardevDelegate {
  var breaks = 0

  func chardevDidConnect(_ chardev: any Chardev) {}
  func chardevDidDisconnect(_ chardev: any Chardev) {}
  func chardevIsReadable(_ chardev: any Chardev) {}
  func chardevIsWritable(_ chardev: any Chardev) {}
  func chardevDidReceiveBreak(_ chardev: any Chardev) { breaks += 1 }
}
