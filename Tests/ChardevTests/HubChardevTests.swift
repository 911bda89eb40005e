import CKVM
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct HubChardevTests {
  private let loop: EventLoop
  private let left = ScriptedChardev()
  private let right = ScriptedChardev()
  private let several: HubChardev
  private let frontEnd: RecordingFrontEnd

  init() throws {
    loop = try EventLoop()
    several = HubChardev([left, right])
    frontEnd = RecordingFrontEnd(several)
    try several.start(on: loop)
  }

  @Test func isConnectedWhileAnyOfThemIs() {
    #expect(frontEnd.write("x") == .disconnected)
    left.connect()
    right.connect()
    #expect(frontEnd.events == [.connected])
    left.disconnect()
    #expect(frontEnd.events == [.connected])
    #expect(frontEnd.write("x") == .transferred(1))
    #expect(left.received == [] && right.received == [0x78])
    right.disconnect()
    #expect(frontEnd.events == [.connected, .disconnected])
    #expect(frontEnd.read() == .disconnected)
    #expect(several.filename == "hub:scripted+scripted")
  }

  @Test func outputGoesToEach() {
    left.connect()
    right.connect()
    #expect(frontEnd.write("both") == .transferred(4))
    #expect(left.received == Array("both".utf8))
    #expect(right.received == left.received)
  }

  @Test("Output is lost where each of them loses it, and is counted for the one that does")
  func losesWhatNoneTakes() {
    left.connect()
    right.connect()
    left.losesWrites = true
    #expect(frontEnd.write("half") == .transferred(4))
    #expect(right.received == Array("half".utf8))
    #expect(several.bytesForfeited == 4)
    right.losesWrites = true
    #expect(frontEnd.write("none") == .lost(4))
  }

  /// The slowest sets the pace; no member misses a byte or gets it twice.
  @Test func waitsForTheSlowest() {
    left.connect()
    right.connect()
    right.writeRoom = 3
    #expect(frontEnd.write("abcdef") == .transferred(6))
    #expect(frontEnd.write("gh") == .wouldBlock)
    #expect(right.wantsWritable && !left.wantsWritable)
    #expect(several.outputStatus.unreadByteCount == 3)
    frontEnd.setWantsWritable(true)
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.writableCalls == 0)
    right.takeMore(1)
    loop.settle()
    #expect(several.outputStatus.unreadByteCount == 2)
    #expect(frontEnd.writableCalls == 0)
    frontEnd.whenWritable = { [frontEnd] in frontEnd.setWantsWritable(false) }
    right.takeMore(100)
    loop.settle()
    #expect(frontEnd.writableCalls == 1)
    #expect(frontEnd.write("gh") == .transferred(2))
    #expect(left.received == Array("abcdefgh".utf8))
    #expect(right.received == left.received)
    #expect(!right.wantsWritable)
  }

  @Test func keepsNoMoreThanItsLimit() {
    left.connect()
    right.connect()
    right.writeRoom = 0
    let block = [UInt8](repeating: 1, count: 200_000)
    #expect(frontEnd.write(block) == .transferred(HubChardev.pendingLimit))
    #expect(frontEnd.write(block) == .wouldBlock)
    #expect(left.received.count == HubChardev.pendingLimit)
  }

  @Test func aClientThatLeavesHoldsNoOtherUp() {
    left.connect()
    right.connect()
    right.writeRoom = 1
    frontEnd.write("abc")
    frontEnd.setWantsWritable(true)
    frontEnd.whenWritable = { [frontEnd] in frontEnd.setWantsWritable(false) }
    right.disconnect()
    loop.settle()
    #expect(frontEnd.writableCalls == 1)
    #expect(several.bytesForfeited == 2)
    #expect(frontEnd.write("def") == .transferred(3))
    right.writeRoom = 100
    right.connect()
    #expect(frontEnd.write("g") == .transferred(1))
    #expect(left.received == Array("abcdefg".utf8))
    #expect(right.received == Array("ag".utf8))
  }

  @Test func inputComesFromEachInTurn() {
    left.connect()
    right.connect()
    left.sendUnnoticed(Array("aaa".utf8))
    right.sendUnnoticed(Array("bbb".utf8))
    for _ in 0..<3 { #expect(frontEnd.read(1) == .transferred(1)) }
    #expect(
      frontEnd.text.contains("a") && frontEnd.text.contains("b"), "neither waits for the other")
    for _ in 0..<3 { #expect(frontEnd.read(1) == .transferred(1)) }
    #expect(frontEnd.read() == .wouldBlock)
    frontEnd.setWantsReadable(true)
    right.send(Array("c".utf8))
    #expect(frontEnd.received.last == UInt8(ascii: "c"))
  }

  @Test func stopsAll() {
    several.stop()
    #expect(left.isStopped && right.isStopped)
  }
}

@Suite struct ChardevOpenerTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func filename(_ configuration: ChardevConfiguration) throws -> String {
    let chardev = try ChardevOpener().open(configuration)
    defer { chardev.stop() }
    return chardev.filename
  }

  @Test func opensEveryBackendByItsConfiguration() throws {
    try directory.makePipe("pipe")
    #expect(try filename(ChardevConfiguration(.null)) == "null")
    #expect(try filename(ChardevConfiguration(.ringBuffer(size: 1024))) == "ringbuf")
    #expect(try filename(ChardevConfiguration(.pipe(path: directory["pipe"]))) == "pipe")
    #expect(try filename(.file(path: directory["out"])) == "file")
    #expect(
      try filename(ChardevConfiguration(.pseudoTerminal(link: nil))).hasPrefix("pty:/dev/pts/"))
    let null = ChardevConfiguration(.null)
    #expect(try filename(ChardevConfiguration(.several([null, null]))) == "hub:null+null")
    #expect(throws: ChardevError.self) {
      try ChardevOpener().open(ChardevConfiguration(.several([])))
    }
  }

  @Test func keepsARecordOfAMultiplexedHostEnd() throws {
    let configuration = ChardevConfiguration(
      id: "c", .ringBuffer(size: 1024), log: LogConfiguration(path: directory["log"]),
      isMultiplexed: true)
    let mux = try ChardevOpener(isForConsole: true).openMultiplexed(configuration)
    let loop = try EventLoop()
    let (first, second) = (RecordingFrontEnd(mux.makeEnd()), RecordingFrontEnd(mux.makeEnd()))
    try first.chardev.start(on: loop)
    try second.chardev.start(on: loop)
    loop.settle()
    #expect(first.events == [.connected] && second.events == [.connected])
    first.write("one ")
    second.write("two")
    #expect(directory.text(of: "log") == "one two")
    first.chardev.stop()
    second.chardev.stop()
  }
}
