import Glibc
import TestSupport
import Testing
import Virtio

/// Hostile guests G1–G18 and G22 at random: whatever a guest does to one device, the VMM goes on,
/// the device works after a reset, and the device beside it never notices.
@Suite struct AttackTests {
  /// Operations of one run; `SWIFTVM_ATTACK_OPERATIONS` makes it longer.
  static let operations = environment("SWIFTVM_ATTACK_OPERATIONS") ?? 30_000
  /// `SWIFTVM_ATTACK_SEED` repeats a run.
  static let seed = environment("SWIFTVM_ATTACK_SEED") ?? Int.random(in: 0...Int(Int32.max))

  private static func environment(_ name: String) -> Int? {
    getenv(name).flatMap { Int(String(cString: $0)) }
  }

  @Test(arguments: [PCIInterface.modern, .transitional])
  func randomAttackLeavesEverythingStanding(interface: PCIInterface) throws {
    print("attack on a \(interface) device: seed \(Self.seed), \(Self.operations) operations")
    let machine = try AttackedMachine(interface: interface)
    let bystander = HonestGuest(
      machine, machine.bystander, area: AttackedMachine.bystandersRAM.lowerBound)
    try #require(bystander.start())
    let attacker = Attacker(machine, seed: UInt64(Self.seed))
    let status = ProcessStatus(of: getpid())
    let resident = status.residentBytes
    for operation in 0..<Self.operations {
      attacker.act()
      guard operation % 2000 == 1999 else { continue }
      try #require(
        bystander.exchange(port: operation / 2000 % AttackedMachine.portCount, "op \(operation)"),
        "the other device stopped at operation \(operation) of seed \(Self.seed)")
    }
    machine.settle()
    print(
      "attack: \(machine.faults.value(slot: 1)) faults, \(machine.endings.value) endings asked for")
    #expect(machine.faults.value(slot: 1) > 0, "an attack that never broke a rule is none")
    #expect(machine.faults.value(slot: 2) == 0)
    // The guest's memory, 28 MiB, and what tests beside this one need; a device that queues what it
    // should not takes gigabytes.
    #expect(status.residentBytes - resident < 256 << 20)

    machine.bringBackPorts()
    let heir = HonestGuest(machine, machine.target, area: 0)
    try #require(heir.start(), "the attacked device did not come back (seed \(Self.seed))")
    for port in 0..<AttackedMachine.portCount { #expect(heir.exchange(port: port, "after all")) }
  }
}
