import GuestMemory
import Host
import Testing

@Suite struct GuestWordTests {
  @Test func widthsAndPlacesAreKept() throws {
    let memory = try GuestMemory(regions: [0..<4096])
    let word = try memory.pointer(at: 64, count: 8)
    GuestWord.store64(word, 0x1122_3344_5566_7788)
    #expect(GuestWord.load64(word) == 0x1122_3344_5566_7788)
    #expect(GuestWord.load32(word) == 0x5566_7788)
    #expect(GuestWord.load16(word) == 0x7788)
    GuestWord.store32(word + 4, 0xaabb_ccdd)
    GuestWord.store16(word + 2, 0xeeff)
    #expect(GuestWord.load64(word) == 0xaabb_ccdd_eeff_7788)
    GuestWord.storeRelease16(word, 0x0102)
    #expect(GuestWord.loadAcquire16(word) == 0x0102)
    #expect(try memory.load(64, as: UInt64.self) == 0xaabb_ccdd_eeff_0102)
  }

  /// One side writes a payload, then publishes its index; the other must never see the index first.
  @Test func whatIsPublishedIsSeenWhole() throws {
    let memory = try GuestMemory(regions: [0..<4096])
    let rounds: UInt16 = 20_000
    let writer = try Thread(name: "publisher") { [memory] in
      guard let index = try? memory.pointer(at: 0, count: 2),
        let payload = try? memory.pointer(at: 128, count: 8),
        let acknowledged = try? memory.pointer(at: 256, count: 2)
      else { return }
      for round in 1...rounds {
        GuestWord.store64(payload, UInt64(round) &* 0x1_0001_0001_0001)
        GuestWord.storeRelease16(index, round)
        GuestWord.fence()
        while GuestWord.loadAcquire16(acknowledged) != round {}
      }
    }
    let index = try memory.pointer(at: 0, count: 2)
    let payload = try memory.pointer(at: 128, count: 8)
    let acknowledged = try memory.pointer(at: 256, count: 2)
    var torn = 0
    for round in 1...rounds {
      while GuestWord.loadAcquire16(index) != round {}
      if GuestWord.load64(payload) != UInt64(round) &* 0x1_0001_0001_0001 { torn += 1 }
      GuestWord.storeRelease16(acknowledged, round)
    }
    writer.join()
    #expect(torn == 0)
  }
}
