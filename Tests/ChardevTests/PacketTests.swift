import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// Sockets that keep packets: none is split or merged but where it has to be.
@Suite(.timeLimit(.minutes(1)))
struct PacketTests {
  @Test func aWriteIsAPacket() throws {
    let served = try ServedEndpoint(.packets)
    let client = try served.connect()
    #expect(served.chardev.limits.packet == 65536)
    for text in ["one", "two, longer", "3"] { served.frontEnd.write(text) }
    #expect(client.receiveText() == "one")
    #expect(client.receiveText() == "two, longer")
    #expect(client.receiveText() == "3")
  }

  @Test func aLongWriteIsCutAtTheLimit() throws {
    let served = try ServedEndpoint(.packets)
    let client = try served.connect()
    let bytes = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    #expect(served.frontEnd.write(bytes) == .transferred(65536))
    #expect(client.receive(1 << 17) == Array(bytes.prefix(65536)))
    #expect(served.frontEnd.write(bytes[65536...]) == .transferred(70_000 - 65536))
    #expect(client.receive(1 << 17) == Array(bytes[65536...]))
  }

  @Test func aPacketIsNotReadTogetherWithTheNext() throws {
    let served = try ServedEndpoint(.packets)
    let client = try served.connect()
    client.send("one")
    client.send("two")
    #expect(served.frontEnd.read(100) == .transferred(3))
    #expect(served.frontEnd.text == "one")
    #expect(served.frontEnd.read(100) == .transferred(3))
    #expect(served.frontEnd.read(100) == .wouldBlock)
  }

  /// In as many pieces as there is room for, and told of each.
  @Test func aPacketLongerThanTheRoomIsReadInFull() throws {
    let served = try ServedEndpoint(.packets)
    let client = try served.connect()
    let packet = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    #expect(client.send(packet))
    client.send("next")
    served.frontEnd.readLimit = 999
    served.frontEnd.setWantsReadable(true)
    #expect(served.loop.turn { served.frontEnd.received.count == packet.count + 4 })
    #expect(served.frontEnd.received == packet + Array("next".utf8))
    #expect(served.loop.sleepsThroughATurn())
  }

  /// The front end says only once that it wants to read.
  @Test func tellsOfARestWithoutBeingAskedAgain() throws {
    let served = try ServedEndpoint(.packets)
    served.frontEnd.readLimit = 2
    served.frontEnd.setWantsReadable(true)
    let client = try served.connect()
    client.send("in three parts")
    #expect(served.loop.turn { served.frontEnd.text == "in three parts" })
    #expect(served.frontEnd.readableCalls == 7)
    #expect(served.loop.sleepsThroughATurn())
  }

  @Test func theRestOfALastPacketIsReadBeforeTheEnd() throws {
    let served = try ServedEndpoint(.packets)
    let client = try served.connect()
    client.send("long last words")
    #expect(served.frontEnd.read(4) == .transferred(4))
    client.close()
    served.loop.settle()
    #expect(served.chardev.isConnected)
    served.frontEnd.setWantsReadable(true)
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.frontEnd.text == "long last words")
  }

  @Test("H11: packets of no length are passed over, and are no end")
  func passesOverEmptyPackets() throws {
    let served = try ServedEndpoint(.packets)
    let client = try served.connect()
    served.frontEnd.setWantsReadable(true)
    for _ in 0..<10 { client.send([]) }
    client.send("after")
    #expect(served.loop.turn { served.frontEnd.text == "after" })
    for _ in 0..<10 { client.send([]) }
    served.loop.settle()
    #expect(served.frontEnd.events == [.connected])
    client.send([])
    client.send(" all")
    client.close()
    #expect(served.hears([.connected, .disconnected]))
    #expect(served.frontEnd.text == "after all")
  }

  /// What has no room waits in its socket, not in ours.
  @Test func readsNothingIntoNoRoom() throws {
    let served = try ServedEndpoint(.packets)
    let client = try served.connect()
    client.send("x")
    #expect(served.frontEnd.read(0) == .wouldBlock)
    #expect(served.frontEnd.read() == .transferred(1))
  }
}
