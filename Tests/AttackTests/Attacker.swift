import Devices
import GuestMemory
import TestSupport

/// A guest that does anything a processor can do to one device and its context, in an order
/// that a seed fixes. It knows the rules: half of what it does is nearly right, so that it gets deep
/// into the device before it breaks something.
final class Attacker {
  let machine: AttackedMachine
  var random: SeededGenerator
  let structures: VirtioStructures
  /// Where the attacker believes the BAR to be.
  var bar: UInt64
  /// The size and features last negotiated; what a driver would remember.
  var queueSize: UInt16 = 8
  var usesPackedRings = false
  /// What was published in each queue's available ring, or in its packed ring.
  var availableIndexes = [UInt16](repeating: 0, count: Attacker.queueCount)

  /// Queues the attacker plays with: all of the ports there are, the control channel, and a few of
  /// ports that are not there.
  static let queueCount = 2 * AttackedMachine.portCount + 8

  private static let edges = AttackedMachine.attackersRAM.flatMap {
    [$0.lowerBound, $0.upperBound]
  }

  init(_ machine: AttackedMachine, seed: UInt64) {
    self.machine = machine
    random = SeededGenerator(seed: seed)
    structures = VirtioStructures(machine, slot: machine.target.number)
    bar = machine.target.bar
  }

  /// One operation.
  func act() {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<2: initialize()
    case 2..<26: attackRing()
    case 26..<38: attackControl()
    case 38..<50: kick()
    case 50..<62: attackCommonConfiguration()
    case 62..<66: attackDeviceConfiguration()
    case 66..<74: attackMessages()
    case 74..<80: attackConfigurationSpace()
    case 80..<84: attackPorts()
    case 84..<86: attackAddressSpace()
    case 86..<93: actAsClient()
    case 93: plugPorts()
    case 94..<96: attackLegacyPorts()
    default: machine.loop.turn(timeoutMilliseconds: 0)
    }
  }

  // MARK: Values

  func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

  func pick<T>(_ values: [T]) -> T { values.randomElement(using: &random) ?? values[0] }

  /// A number: mostly small, or at some edge.
  func number() -> UInt64 {
    switch Int.random(in: 0..<6, using: &random) {
    case 0: random.next()
    case 1: UInt64(1) << UInt64.random(in: 0..<64, using: &random)
    case 2: (UInt64(1) << UInt64.random(in: 0..<64, using: &random)) &- 1
    case 3: pick([0, 1, 2, 0xff, 0xffff, 0xffff_ffff, .max])
    default: UInt64.random(in: 0..<64, using: &random)
    }
  }

  /// An address: mostly inside RAM, or at some edge, or anywhere; never the bystander's.
  func address() -> UInt64 {
    let address: UInt64 =
      switch Int.random(in: 0..<20, using: &random) {
      case 0: random.next()
      case 1: pick(Self.edges) &- UInt64.random(in: 0..<32, using: &random)
      case 2: pick([bar, AttackedMachine.ecam, 0xfee0_0000, .max, 0xffff_ffff])
      case 3: ring(Int.random(in: 0..<Self.queueCount, using: &random))
      default: UInt64.random(in: 0..<0x180_0000, using: &random)
      }
    return AttackedMachine.bystandersRAM.contains(address) ? 0 : address
  }

  func width() -> Int { chance(90) ? pick([1, 2, 4, 8]) : pick([3, 5, 6, 7]) }

  func queue() -> Int { Int.random(in: 0..<Self.queueCount, using: &random) }

  // MARK: Accesses

  func write(_ structure: Int, _ offset: UInt64, _ width: Int, _ value: UInt64) {
    machine.space.write(
      address: structures.address(structure, offset, bar: bar), width: width, value: value)
  }

  func read(_ structure: Int, _ offset: UInt64, _ width: Int) -> UInt64 {
    machine.space.read(address: structures.address(structure, offset, bar: bar), width: width)
  }

  /// Where the ring of a queue lies when the attacker sets it up by the book.
  func ring(_ queue: Int) -> UInt64 { 0x10_0000 + UInt64(queue) * 0x4000 }
}
