import TestSupport
import Testing

extension StockGuestTests.ChannelTests {
  private static let mebibytes = 64

  @Test func megabytesArriveWholeBothWaysAtOnce() throws {
    let transfer = Transfer(port: Port.fedora, seed: 1, guest: guest)
    var pump = Pump()
    try transfer.start(mebibytes: Self.mebibytes, pump: &pump)
    let seconds = try pump.run(seconds: 240)
    print("figure: \(Self.mebibytes) MiB each way at once in \(seconds) s")
    try transfer.check(mebibytes: Self.mebibytes)
  }

  @Test func twoPortsTransferAtOnce() throws {
    let mebibytes = 16
    let transfers = [
      Transfer(port: Port.fedora, seed: 2, guest: guest),
      Transfer(port: Port.second, seed: 3, guest: guest),
    ]
    var pump = Pump()
    for transfer in transfers { try transfer.start(mebibytes: mebibytes, pump: &pump) }
    _ = try pump.run(seconds: 240)
    for transfer in transfers { try transfer.check(mebibytes: mebibytes) }
  }

  @Test func clientThatStopsReadingBlocksItsWriterOnly() throws {
    let mebibytes = 8
    let before = ProcessStatus(of: guest.process.pid).residentKibibytesBesideGuest
    try agent.start("blocked", "vport send \(Self.path(Port.blocked)) \(mebibytes)M 4")
    let client = try guest.connect(Port.blocked)
    try Deadline(seconds: 60).wait(until: { client.unreadCount > 64 << 10 }, "a full socket")

    // Others go on, and what is not read stays in the guest.
    let transfer = Transfer(port: Port.fedora, seed: 5, guest: guest)
    var others = Pump()
    try transfer.start(mebibytes: mebibytes, pump: &others)
    _ = try others.run(seconds: 120)
    try transfer.check(mebibytes: mebibytes)
    #expect(try agent.answer(to: "[ -e /tmp/blocked.status ]").status == 1)
    let grown = ProcessStatus(of: guest.process.pid).residentKibibytesBesideGuest - before
    print("figure: \(grown) KiB more resident with a blocked writer")
    #expect(grown < 2 << 10)

    var pump = Pump()
    try pump.receive(mebibytes << 20, from: client, into: guest.file("unblocked"))
    _ = try pump.run(seconds: 120)
    #expect(
      try agent.finish("blocked")
        == "sent \(mebibytes << 20) sha256 \(Tool.sha256(ofFile: guest.file("unblocked")))")
  }
}
