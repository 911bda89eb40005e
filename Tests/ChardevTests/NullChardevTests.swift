import Chardev
import Host
import TestSupport
import Testing

@Suite struct NullChardevTests {
  @Test func takesEverythingAndHasNothing() throws {
    let null = NullChardev()
    let frontEnd = RecordingFrontEnd(null)
    let loop = try EventLoop()
    try null.start(on: loop)
    #expect(frontEnd.events.isEmpty)
    loop.settle()
    #expect(frontEnd.events == [.connected])
    #expect(frontEnd.write([UInt8](repeating: 0, count: 1_000_000)) == .transferred(1_000_000))
    #expect(frontEnd.read() == .wouldBlock)
    frontEnd.setWantsReadable(true)
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.readableCalls == 0)
  }

  @Test func isWritableForAsLongAsThatIsWanted() throws {
    let null = NullChardev()
    let frontEnd = RecordingFrontEnd(null)
    let loop = try EventLoop()
    try null.start(on: loop)
    frontEnd.setWantsWritable(true)
    #expect(frontEnd.writableCalls == 0)
    #expect(loop.turn { frontEnd.writableCalls >= 2 })
    frontEnd.setWantsWritable(false)
    loop.settle()
    #expect(loop.sleepsThroughATurn())
  }

  @Test func callsNoDelegateAfterStop() throws {
    let null = NullChardev()
    let frontEnd = RecordingFrontEnd(null)
    let loop = try EventLoop()
    try null.start(on: loop)
    frontEnd.setWantsWritable(true)
    null.stop()
    loop.settle()
    #expect(frontEnd.events.isEmpty)
    #expect(frontEnd.writableCalls == 0)
  }
}
