import KVM
import Synchronization
import Testing

/// Interrupts as the guest sees them arrive.
@Suite(.serialized, .enabled(if: MicroGuest.isAvailable, Comment(rawValue: MicroGuest.requirement)))
struct InterruptRouterTests {
  static let localAPIC: UInt64 = 0xfee0_0000

  @Test func aTriggeredRouteReachesItsVector() throws {
    let guest = try MicroGuest("run=wait-interrupt vector=0x50 count=1")
    let router = InterruptRouter(machine: guest.machine)
    let route = try #require(router.makeRoute())
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    route.trigger()  // before `program`: must have no effect
    route.program(address: Self.localAPIC, data: 0x50)
    route.trigger()
    #expect(guest.waitForLine("interrupts on vector 0x50: 1"))
  }

  @Test func aReprogrammedRouteSendsTheNewMessage() throws {
    let guest = try MicroGuest("run=wait-interrupt vector=0x52")
    let router = InterruptRouter(machine: guest.machine)
    let route = try #require(router.makeRoute())
    route.program(address: Self.localAPIC, data: 0x51)
    route.program(address: Self.localAPIC, data: 0x52)
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    route.trigger()
    #expect(guest.waitForLine("interrupts on vector 0x52: 1"))
  }

  @Test func eachRouteKeepsItsOwnMessage() throws {
    let guest = try MicroGuest("run=wait-interrupt vector=0x61")
    let router = InterruptRouter(machine: guest.machine)
    let first = try #require(router.makeRoute())
    let second = try #require(router.makeRoute())
    first.program(address: Self.localAPIC, data: 0x61)
    second.program(address: Self.localAPIC, data: 0x60)
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    first.trigger()
    #expect(guest.waitForLine("interrupts on vector 0x61: 1"))
  }

  /// Whatever the guest writes into its MSI-X table, the other vectors go on.
  @Test func nonsenseMessagesHurtNoOtherRoute() throws {
    let guest = try MicroGuest("run=wait-interrupt vector=0x53")
    let router = InterruptRouter(machine: guest.machine)
    let good = try #require(router.makeRoute())
    let bad = try #require(router.makeRoute())
    good.program(address: Self.localAPIC, data: 0x53)
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    for address: UInt64 in [0, 0x1234, 0xffff_ffff_ffff_ffff, 0xfee0_0000_0000_0000, 0xfeef_f00c] {
      bad.program(address: address, data: 0xffff_ffff)
    }
    good.trigger()
    #expect(guest.waitForLine("interrupts on vector 0x53: 1"))
  }

  @Test func aRouteGivenBackIsUsedAgain() throws {
    let guest = try MicroGuest("run=wait-interrupt vector=0x54")
    let router = InterruptRouter(machine: guest.machine)
    for _ in 0..<5000 {  // more than there are GSIs
      let route = try #require(router.makeRoute())
      _ = route
    }
    for data: UInt32 in 0x70..<0x78 {
      let route = try #require(router.makeRoute())
      route.program(address: Self.localAPIC, data: data)
    }
    let route = try #require(router.makeRoute())
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    route.trigger()
    route.program(address: Self.localAPIC, data: 0x54)
    route.trigger()
    #expect(guest.waitForLine("interrupts on vector 0x54: 1"))
  }

  @Test func anEdgeOnALineInterruptsOnce() throws {
    let guest = try MicroGuest("run=ioapic pin=5 vector=0x41 count=1")
    let line = guest.machine.makeLine(gsi: 5)
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    line.setLevel(true)
    line.setLevel(false)
    #expect(guest.waitForLine("interrupts on vector 0x41: 1"))
  }

  @Test func aLineHeldHighInterruptsUntilItIsLowered() throws {
    let lineBox = LineBox()
    let guest = try MicroGuest("run=ioapic pin=17 vector=0x42 count=3 level=1 ack-port=0x5000") {
      port, _ in
      if port == 0x5000 { lineBox.acknowledge() }
    }
    lineBox.connect(guest.machine.makeLine(gsi: 17), acknowledgements: 3)
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    lineBox.raise()
    #expect(guest.waitForLine("interrupts on vector 0x42: 3"))
  }

  /// As the ACPI tables say: the timer's interrupt is on pin 2 of the IOAPIC, from the start.
  @Test func theTimersLineArrivesAtPinTwo() throws {
    let guest = try MicroGuest("run=ioapic pin=2 vector=0x44")
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    guest.machine.makeLine(gsi: 0).setLevel(true)
    #expect(guest.waitForLine("interrupts on vector 0x44: 1"))
  }

  /// The legacy pins must survive the first change of the table.
  @Test func linesWorkAfterRoutesWereSet() throws {
    let guest = try MicroGuest("run=ioapic pin=4 vector=0x43")
    let router = InterruptRouter(machine: guest.machine)
    let route = try #require(router.makeRoute())
    route.program(address: Self.localAPIC, data: 0x55)
    try guest.start()
    #expect(guest.waitForLine("waiting"))
    guest.machine.makeLine(gsi: 4).setLevel(true)
    #expect(guest.waitForLine("interrupts on vector 0x43: 1"))
  }
}

/// A device with a level-triggered line that it lowers only when told often enough.
final class LineBox: Sendable {
  private struct State {
    var line: IRQLine?
    var left = 0
  }

  private let state = Mutex(State())

  func connect(_ line: IRQLine, acknowledgements: Int) {
    state.withLock { $0 = State(line: line, left: acknowledgements) }
  }

  func raise() { state.withLock { $0.line?.setLevel(true) } }

  func acknowledge() {
    state.withLock { state in
      state.left -= 1
      if state.left == 0 { state.line?.setLevel(false) }
    }
  }
}
