import GuestMemory
import TestSupport
import Testing
import Virtio

/// The console device over rings of either layout, and while single queues go and come back.
@Suite struct RingLayoutTests {
  @Test(
    "S6, K1–K6: what is sent arrives both ways, many times around the rings",
    arguments: RingLayout.allCases, [Features(), [.indirectDescriptors, .eventIndex]])
  func carriesBytesBothWays(_ layout: RingLayout, _ ringFeatures: Features) throws {
    let guest = try RingGuest(layout, ringFeatures)
    var sent: [UInt8] = []
    for round: UInt8 in 0..<60 {
      let bytes = (0..<5).map { round &* 5 &+ $0 }
      guest.send([Array(bytes[..<2]), Array(bytes[2...])])
      sent += bytes
      #expect(guest.rings[5]?.takeUsed().count == 1)
      guest.offerBuffer(of: 16, to: 4)
      guest.chardev.send([round, round])
      guest.console.settle()
      #expect(guest.takeBytes(from: 4) == [round, round])
    }
    #expect(guest.chardev.received == sent)
    #expect(guest.console.notifier.faults.isEmpty)
  }

  @Test(
    "P9: a half-sent chain is forgotten with its queue; the queue comes back elsewhere, smaller",
    arguments: RingLayout.allCases)
  func resetsATransmitQueue(_ layout: RingLayout) throws {
    let guest = try RingGuest(layout)
    guest.chardev.writeRoom = 3
    guest.send([[1, 2, 3, 4, 5]])
    let old = guest.rings[5]
    _ = guest.console.notifier.takeUsed()
    guest.reset(5)
    guest.chardev.writeRoom = .max
    guest.console.kick(5)
    #expect(guest.chardev.received == [1, 2, 3])
    #expect(old?.takeUsed().isEmpty == true)
    #expect(guest.console.notifier.takeUsed().isEmpty, "no word of a queue that is not there")
    guest.setUp(5, size: 4, base: 0x70_0000)
    guest.send([[6, 7]])
    #expect(guest.chardev.received == [1, 2, 3, 6, 7])
    #expect(guest.rings[5]?.takeUsed().count == 1)
  }

  @Test(
    "P9: while its receive queue is away, a client's bytes wait", arguments: RingLayout.allCases)
  func resetsAReceiveQueue(_ layout: RingLayout) throws {
    let guest = try RingGuest(layout)
    guest.offerBuffer(of: 16, to: 4)
    guest.reset(4)
    guest.chardev.send([1, 2, 3])
    guest.console.kick(4)
    #expect(guest.chardev.outgoing == [1, 2, 3])
    guest.setUp(4, size: 2, base: 0x70_0000)
    guest.offerBuffer(of: 16, to: 4)
    #expect(guest.takeBytes(from: 4) == [1, 2, 3])
  }

  @Test(
    "P9: while the control queue is away, messages wait for it", arguments: RingLayout.allCases)
  func resetsTheControlQueue(_ layout: RingLayout) throws {
    let guest = try RingGuest(layout)
    guest.reset(2)
    guest.chardev.disconnect()
    guest.console.settle()
    guest.setUp(2, size: 8, base: 0x70_0000)
    guest.offerBuffer(of: 64, to: 2)
    #expect(guest.takeBytes(from: 2) == [1, 0, 0, 0, 6, 0, 0, 0], "PORT_OPEN 0 of port 1")
  }

  @Test(
    "P9, G11: a queue that goes and comes in the midst of traffic, again and again",
    arguments: RingLayout.allCases)
  func resetsWithoutEnd(_ layout: RingLayout) throws {
    let guest = try RingGuest(layout)
    for round: UInt8 in 0..<250 {
      guest.chardev.writeRoom = 1
      guest.send([[round, round]])
      for queue in [2, 3, 4, 5] {
        guest.reset(queue)
        guest.setUp(queue, size: 8, base: 0x60_0000 + UInt64(queue) * 0x1_0000)
      }
    }
    guest.chardev.writeRoom = .max
    guest.send([[77]])
    #expect(guest.chardev.received.suffix(1) == [77])
    #expect(guest.chardev.received.count == 251)
    #expect(guest.console.notifier.faults.isEmpty)
  }
}
