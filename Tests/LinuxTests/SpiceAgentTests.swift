import Testing

/// spice-vdagentd, with a stand-in for the agent of the graphical session it needs.
extension StockGuestTests.ProgramTests {
  @Test func spiceAgentExchangesCapabilitiesAndAClipboard() throws {
    let spice = SpiceAgent(try guest.connect(Port.spice))
    try agent.run("mkdir -p /run/spice-vdagentd")
    try agent.startProgram("vdagentd", "spice-vdagentd -x -X -f -u /dev/null")
    // Without a session the port stays closed, however long the client has been there.
    try agent.wait(until: "[ -S /run/spice-vdagentd/spice-vdagent-sock ]", "the daemon's socket")
    #expect(try agent.run("vport open \(Self.path(Port.spice))") == "open")
    try agent.startProgram("session", "vdagent-session")

    // It opens the port tells its capabilities and asks for ours; then it answers us.
    let offer = try spice.receive(SpiceAgent.announceCapabilities)
    #expect(SpiceAgent.word(0, of: offer) == 1)
    #expect(SpiceAgent.word(1, of: offer) & SpiceAgent.clipboardByDemand != 0)
    try spice.send(
      SpiceAgent.announceCapabilities, SpiceAgent.words(1, SpiceAgent.clipboardByDemand))
    let answer = try spice.receive(SpiceAgent.announceCapabilities)
    #expect(SpiceAgent.word(0, of: answer) == 0)
    #expect(answer.dropFirst(4) == offer.dropFirst(4))

    // A message in two chunks, the second with the message's rest.
    let text = (0..<3000).map { UInt8(ascii: "a") + UInt8($0 % 26) }
    try spice.send(SpiceAgent.clipboardGrab, SpiceAgent.words(SpiceAgent.utf8Text))
    let request = try spice.receive(SpiceAgent.clipboardRequest)
    #expect(SpiceAgent.word(0, of: request) == SpiceAgent.utf8Text)
    try spice.send(
      SpiceAgent.clipboard, SpiceAgent.words(SpiceAgent.utf8Text) + text, firstChunk: 1000)

    // The session offers what it got.
    _ = try spice.receive(SpiceAgent.clipboardGrab)
    try spice.send(SpiceAgent.clipboardRequest, SpiceAgent.words(SpiceAgent.utf8Text))
    let clipboard = try spice.receive(SpiceAgent.clipboard)
    #expect(clipboard == SpiceAgent.words(SpiceAgent.utf8Text) + text)

    // Without a session it closes its port again.
    try agent.stop("session")
    try agent.wait(
      until: "vport open \(Self.path(Port.spice)) | grep -q open", "the port to be closed")
    try agent.stop("vdagentd")
  }
}
