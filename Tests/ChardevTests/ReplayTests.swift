import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// `replay=SIZE`: a newcomer gets the last bytes that the guest has written.
@Suite(.timeLimit(.minutes(1)))
struct ReplayTests {
  private static let policies = SocketConfiguration.Clients.allCases

  private func serve(
    _ size: Int, _ policy: SocketConfiguration.Clients, _ endpoint: Endpoint = .path
  ) throws -> ServedEndpoint {
    try ServedEndpoint(endpoint) { ($0.replaySize, $0.clients) = (size, policy) }
  }

  /// So many bytes, no two neighbours of which look alike elsewhere.
  private func pattern(_ range: Range<Int>) -> [UInt8] {
    range.map { UInt8(truncatingIfNeeded: ($0 >> 8) ^ $0) }
  }

  @Test(
    "What is written before the first client comes is taken, and its end is that client's",
    arguments: policies, Endpoint.streams)
  func replaysToTheFirst(policy: SocketConfiguration.Clients, endpoint: Endpoint) throws {
    let served = try serve(1000, policy, endpoint)
    let before = pattern(0..<70_000)
    #expect(served.frontEnd.write(before) == .transferred(before.count))
    let client = try served.connectUnnoticed()
    #expect(served.hears([.connected]))
    #expect(served.frontEnd.write("and on") == .transferred(6))
    var received: [UInt8] = []
    #expect(
      served.loop.turn {
        received += client.receive(waits: false)
        return received.count >= 1006
      })
    #expect(received == before.suffix(1000) + Array("and on".utf8))
  }

  @Test("Each later client gets what the ones before it had, too", arguments: policies)
  func replaysToEach(policy: SocketConfiguration.Clients) throws {
    let served = try serve(8, policy)
    for (round, expected) in ["", "0-0+", "0-0+1-1+", "1-1+2-2+"].enumerated() {
      let client = try served.connect()
      if !expected.isEmpty { #expect(client.receiveText() == String(expected.suffix(8))) }
      #expect(served.frontEnd.write("\(round)-") == .transferred(2))
      #expect(client.receiveText() == "\(round)-")
      client.close()
      #expect(served.loop.turn { !served.chardev.isConnected })
      #expect(served.frontEnd.write("\(round)+") == .transferred(2))
    }
  }

  @Test("Clients of a broadcast get each what was written before they came, and then the same")
  func replaysBesideOthers() throws {
    let served = try serve(100, .broadcast)
    let first = try served.connect()
    #expect(served.frontEnd.write("early") == .transferred(5))
    let second = try served.connect()
    #expect(served.frontEnd.write("late") == .transferred(4))
    served.loop.settle()
    #expect(first.receiveText() == "earlylate")
    #expect(second.receiveText() == "earlylate")
  }

  @Test(
    "A newcomer that takes its time gets all in order, and holds back what comes after",
    arguments: policies)
  func replaysToASlowOne(policy: SocketConfiguration.Clients) throws {
    let served = try serve(3 << 20, policy)
    let before = pattern(0..<3 << 20)
    #expect(served.frontEnd.write(before) == .transferred(before.count))
    let client = try served.connect()
    #expect(served.chardev.outputStatus.hasUnsentBytes)
    let after = pattern(0..<5000)
    var written = 0
    func writeOn() {
      while written < after.count,
        case .transferred(let count) = served.frontEnd.write(after[written...])
      {
        written += count
      }
      served.frontEnd.setWantsWritable(written < after.count)
    }
    served.frontEnd.whenWritable = writeOn
    writeOn()
    var received: [UInt8] = []
    #expect(
      served.loop.turn {
        received += client.receive(waits: false)
        return received.count >= before.count + after.count
      })
    #expect(received == before + after)
    #expect(!served.chardev.outputStatus.hasUnsentBytes)
    #expect(served.loop.sleepsThroughATurn())
  }

  @Test("Without it nothing is taken without a client, nothing is repeated", arguments: policies)
  func replaysNothingByDefault(policy: SocketConfiguration.Clients) throws {
    let served = try serve(0, policy)
    #expect(served.frontEnd.write("unwanted") == .disconnected)
    let client = try served.connect()
    #expect(served.frontEnd.write("for you") == .transferred(7))
    #expect(client.receiveText() == "for you")
  }
}
