import Glibc
import GuestMemory
import Host
import KVM
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: KVMHost.isAvailable, Comment(rawValue: KVMHost.requirement)))
struct VCPUThreadTests {
  private static let spin: [UInt8] = [
    0xe6, 0xf4,  // out %al, $0xf4
    0xeb, 0xfe,  // jmp to itself
  ]

  @Test func stopsAGuestThatSpins() throws {
    let guest = try TinyGuest(Self.spin)
    try guest.start()
    #expect(guest.waitUntil { !guest.log.isEmpty })
    let before = monotonicSeconds()
    guest.requestStop()
    #expect(guest.waitUntil { guest.ending == .stopped })
    // Ordinarily some 50 µs.
    #expect(monotonicSeconds() - before < 1)
  }

  @Test func stopsAGuestBeforeItsFirstInstruction() throws {
    let guest = try TinyGuest(Self.spin)
    guest.vcpu.requestExit()
    #expect(guest.vcpu.run(guest.recorder.bus) == .interrupted)
    #expect(guest.log.isEmpty)
  }

  /// A request in the middle of an access: the access is finished, once, and nothing else runs.
  @Test func finishesAnAccessBeforeItLeaves() throws {
    let guest = try TinyGuest(
      [
        0xe4, 0xf4,  // in $0xf4, %al
        0xe6, 0xf5,  // out %al, $0xf5
        0xf4,  // hlt
      ], answers: [0x77])
    #expect(guest.vcpu.run(guest.recorder.bus) == .handled)
    guest.vcpu.requestExit()
    #expect(guest.vcpu.run(guest.recorder.bus) == .interrupted)
    #expect(guest.log == [.portRead(0xf4, width: 1)])
    guest.vcpu.withdrawExitRequest()
    #expect(guest.vcpu.run(guest.recorder.bus) == .handled)
    #expect(guest.log == [.portRead(0xf4, width: 1), .portWrite(0xf5, width: 1, 0x77)])
    #expect(guest.vcpu.run(guest.recorder.bus) == .ended(.halted))
  }

  @Test func manyStopsAreNeverLost() throws {
    for _ in 0..<50 {
      let guest = try TinyGuest(Self.spin)
      try guest.start()
      guest.requestStop()
      #expect(guest.waitUntil { guest.ending == .stopped })
    }
  }

  @Test func aRequestAfterTheEndChangesNothing() throws {
    let guest = try TinyGuest([0xf4])
    #expect(try guest.run() == .halted)
    guest.requestStop()
    #expect(guest.ending == .halted)
  }

  /// Writes to a port in each turn.
  private static let chatter: [UInt8] = [
    0xe6, 0xf4,  // out %al, $0xf4
    0xeb, 0xfc,  // jmp to the first
  ]

  @Test("A paused guest executes nothing, and goes on where it was")
  func pausesAndGoesOn() throws {
    let guest = try TinyGuest(Self.chatter)
    let thread = guest.makeThread()
    try thread.start()
    for _ in 0..<100 {
      thread.requestPause()
      thread.waitUntilPaused()
      let count = guest.log.count
      sched_yield()
      #expect(guest.log.count == count)
      thread.resume()
      #expect(guest.waitUntil { guest.log.count > count })
    }
  }

  @Test("A thread that is asked to pause before it starts waits for its first instruction")
  func startsPaused() throws {
    let guest = try TinyGuest(Self.chatter)
    let thread = guest.makeThread()
    thread.requestPause()
    thread.waitUntilPaused()
    try thread.start()
    // Twice, without ever having gone on.
    thread.resume()
    thread.requestPause()
    thread.waitUntilPaused()
    thread.resume()
    #expect(guest.waitUntil { !guest.log.isEmpty })
  }

  @Test("A paused thread stops; one that has ended counts as paused")
  func stopsWhilePaused() throws {
    let guest = try TinyGuest(Self.spin)
    let thread = guest.makeThread()
    try thread.start()
    #expect(guest.waitUntil { !guest.log.isEmpty })
    thread.requestPause()
    thread.waitUntilPaused()
    thread.requestStop()
    #expect(guest.waitUntil { guest.ending == .stopped })
    thread.join()
    thread.requestPause()
    thread.waitUntilPaused()
    thread.resume()
  }
}
