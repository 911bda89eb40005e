import TestSupport
import Testing

/// What the examples show, and splice(2).
extension StockGuestTests.ProgramTests {
  @Test func examplesTalkToEachOther() throws {
    let socket = guest.socketPath(Port.example)
    let host = "\(ProgramImage.examples)/host.py"
    // The host's line waits for the guest's program.
    let talk = "'\(host)' '\(socket)' 'one line' '' 'another'"
    let answers = "you said: one line\nyou said: \nyou said: another"
    try agent.startProgram("guest", "guest \(Self.path(Port.example))")
    #expect(try Tool.shell(talk) == answers)
    try agent.wait(until: "grep -q gone /tmp/guest.out", "the host to leave")
    #expect(
      try agent.run("cat /tmp/guest.out") == """
        the host is there
        received: one line
        received: 
        received: another
        the host has gone
        """)
    #expect(try Tool.shell(talk) == answers)
    try agent.stop("guest")
  }

  /// From a pipe into the port; the client takes nothing for a while.
  @Test(arguments: [
    (bytes: 5, chunk: 5), (bytes: 8 << 20, chunk: 65536), (bytes: 1 << 20, chunk: 1000),
  ])
  func splicedBytesArriveWhole(bytes: Int, chunk: Int) throws {
    let client = try guest.connect(Port.spliced)
    try agent.start("splice", "vport splice \(Self.path(Port.spliced)) \(bytes) 7 \(chunk)")
    if bytes > 1 << 20 {
      try Deadline(seconds: 60).wait(until: { client.unreadCount > 64 << 10 }, "a full socket")
    }
    let received = guest.file("spliced")
    var pump = Pump()
    try pump.receive(bytes, from: client, into: received)
    _ = try pump.run(seconds: 120)
    #expect(
      try agent.finish("splice") == "sent \(bytes) sha256 \(try Tool.sha256(ofFile: received))")
    #expect(client.unreadCount == 0)
  }
}
