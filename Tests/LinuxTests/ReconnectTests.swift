import Control
import TestSupport
import Testing

/// Clients that come and go while the guest goes on.
extension StockGuestTests.ChannelTests {
  private static let rounds = 100

  /// The guest writes the numbers from 1 on, a line each; more than any test reads.
  private func startCounting(_ job: String, port: String) throws {
    try agent.startProgram(job, "sh -c 'exec seq 1 50000000 >\(Self.path(port))'")
  }

  /// A client that stops the flow before it leaves has all that was sent to it, and the next one
  /// has what follows: not a byte is lost.
  @Test func nothingIsLostBetweenClientsThatReadAll() throws {
    try startCounting("drained", port: Port.drained)
    var stream: [UInt8] = []
    for _ in 0..<Self.rounds {
      let client = try guest.connect(Port.drained)
      stream += try client.receivePiece(most: 4096)
      client.stopReceiving()
      stream += try client.receiveToEnd()
    }
    try expectNumbers(stream)
  }

  /// A client that just leaves takes with it what it has not read, and nothing else.
  @Test func orderHoldsThroughAbruptDepartures() throws {
    try startCounting("abrupt", port: Port.abrupt)
    var last = 0
    for round in 0..<Self.rounds {
      let client = try guest.connect(Port.abrupt)
      let piece = try client.receive(exactly: 2048)
      // Cut in the middle of a line at both ends, but for the very first.
      let lines = piece.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      let numbers = lines.dropFirst(round == 0 ? 0 : 1).dropLast().map {
        Int(String(decoding: $0, as: UTF8.self)) ?? 0
      }
      let first = try #require(numbers.first)
      #expect(first > last)
      #expect(numbers == Array(first..<first + numbers.count))
      last = try #require(numbers.last)
    }
  }

  /// A client that reads nothing comes, and leaves when both its socket and the guest's queue are
  /// full; returns what of the stream it has taken with it.
  private func leaveUnread(_ port: String, _ job: String) throws -> Int {
    let client = try guest.connect(port)
    try Deadline(seconds: 60).wait(until: { client.unreadCount > 64 << 10 }, "a full socket")
    try agent.wait(for: job, toSleepIn: .write)
    client.stopReceiving()
    return client.unreadCount
  }

  /// What waits in the guest's queue when a client leaves is the next client's.
  @Test func queuedBytesAreKeptForTheNextClient() throws {
    try startCounting("kept", port: Port.kept)
    let count = try leaveUnread(Port.kept, "kept")
    let next = try guest.connect(Port.kept)
    let bytes = try next.receive(exactly: 1 << 20)
    try expectNumbers(bytes, after: count)
  }

  /// Or no client's, on a port that is to be so: then it is counted.
  @Test func queuedBytesAreDiscarded() throws {
    try startCounting("discarded", port: Port.discarded)
    let count = try leaveUnread(Port.discarded, "discarded")
    let next = try guest.connect(Port.discarded)
    let bytes = try next.receive(exactly: 1 << 20)
    let port = try guest.control.execute("x-swiftvm-query-ports").elements?
      .first { $0["name"] == .string(Port.discarded) }
    let discarded = try #require(port?["bytes-discarded"]?.integer)
    #expect(discarded > 0)
    try expectNumbers(bytes, after: count + discarded)
  }

  /// Each leaves as soon as it has spoken, and is not waited for.
  @Test func guestReadsWhatAHundredClientsSent() throws {
    let size = 4096
    let file = guest.file("pieces")
    try Tool.makeRandomFile(file, mebibytes: 1)
    let bytes = try File.contents(file)
    try agent.start("collect", "vport collect \(Self.path(Port.second)) \(Self.rounds * size)")
    for round in 0..<Self.rounds {
      let client = try guest.connect(Port.second)
      try client.sendAll(Array(bytes[round * size..<(round + 1) * size]))
    }
    let sum = try Tool.shell("head -c \(Self.rounds * size) '\(file)' | sha256sum").prefix(64)
    #expect(try agent.finish("collect") == "received \(Self.rounds * size) sha256 \(sum)")
  }

  @Test func everyOneOfAHundredClientsIsAnswered() throws {
    let lines = (0..<Self.rounds).map { "client \($0)" }
    let count = lines.reduce(0) { $0 + $1.utf8.count + 1 }
    try agent.start("echo", "vport echo \(Self.path(Port.second)) \(count)")
    for line in lines {
      let client = try guest.connect(Port.second)
      try client.sendAll(line + "\n")
      #expect(try client.receiveLine() == line)
    }
    #expect(try agent.finish("echo") == "echoed \(count)")
  }

  /// The bytes are the numbers' text, from an offset on.
  private func expectNumbers(_ bytes: [UInt8], after offset: Int = 0) throws {
    let file = guest.file("numbers")
    try File.write(bytes, to: file)
    let difference = try Tool.shell(
      "seq 1 50000000 | tail -c +\(offset + 1) | head -c \(bytes.count) | cmp - '\(file)' || true")
    #expect(difference == "")
  }
}
