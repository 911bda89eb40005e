import Devices
import VirtioConsole

/// What surrounds the device: configuration space, ports, address space, and the host's clients.
extension Attacker {
  /// Through ECAM or the two ports, at random.
  func configure(slot: Int, _ register: UInt64, _ width: Int, _ value: UInt64) {
    if chance(50) {
      machine.space.write(
        address: AttackedMachine.ecam + UInt64(slot) << 15 + register, width: width, value: value)
    } else {
      let address = 0x8000_0000 | UInt64(slot) << 11 | register & 0xfc
      machine.ports.write(address: 0xcf8, width: 4, value: address)
      machine.ports.write(address: 0xcfc + register & 3, width: width, value: value)
    }
  }

  /// Anything but the bystander's own registers.
  func attackConfigurationSpace() {
    let slot = chance(80) ? machine.target.number : pick([0, 3, 17, 31])
    switch Int.random(in: 0..<8, using: &random) {
    case 0: configure(slot: slot, 0x04, 2, chance(80) ? 6 : number())
    case 1:
      configure(slot: slot, 0x10 + 4 * UInt64.random(in: 0..<6, using: &random), 4, baseAddress())
    case 2: useWindow()
    case 3:
      // Bit 31 clear, or functions and buses that are not there; never a register of slot 2.
      let absent = number() & 0x00ff_ffff | 0x0001_0000
      machine.ports.write(address: 0xcf8, width: pick([1, 2, 4]), value: absent)
      _ = machine.ports.read(address: 0xcfc, width: pick([1, 2, 4]))
    case 4: configure(slot: slot, number() & 0xfff, width(), number())
    default:
      let register = UInt64.random(in: 0..<0x1000, using: &random)
      _ = machine.space.read(
        address: AttackedMachine.ecam + UInt64(slot) << 15 + register, width: width())
    }
  }

  /// Onto RAM, ECAM, the interrupt controllers, the bystander, nowhere, or back.
  private func baseAddress() -> UInt64 {
    let values: [UInt64] = [
      0, 0xffff_ffff, 0x10_0000, AttackedMachine.ecam, 0xfee0_0000, machine.bystander.bar,
      machine.target.bar, machine.target.bar, 0xd000_0000, number(),
    ]
    let value = pick(values)
    // What it does next goes where it believes its own BAR to be, which is not the bystander's.
    if chance(50), value != machine.bystander.bar { bar = value & ~0xf }
    return value
  }

  /// The PCI_CFG capability.
  private func useWindow() {
    let window = structures.windowCapability
    let slot = machine.target.number
    configure(slot: slot, window + 4, 1, chance(90) ? 0 : number())
    configure(slot: slot, window + 8, 4, chance(70) ? number() & 0xffff : number())
    configure(slot: slot, window + 12, 4, pick([1, 2, 4, 3, 0, 8]))
    if chance(50) {
      configure(slot: slot, window + 16, pick([1, 2, 4]), number())
    } else {
      _ = machine.space.read(
        address: AttackedMachine.ecam + UInt64(slot) << 15 + window + 16, width: pick([1, 2, 4]))
    }
  }

  func attackPorts() {
    let known: [UInt64] = [0x3f8, 0x3f9, 0x3fb, 0x3fc, 0x70, 0x71, 0x600, 0x604, 0x60, 0x64, 0x80]
    var port = chance(80) ? pick(known) : number() & 0xffff
    if 0xcf0..<0xd00 ~= port { port = 0xcf0 }  // the two ports are used with care, above
    if chance(50) {
      machine.ports.write(address: port, width: width(), value: number())
    } else {
      _ = machine.ports.read(address: port, width: width())
    }
  }

  /// Anywhere in memory space but the bystander's BAR and configuration space.
  func attackAddressSpace() {
    let at = bar &+ number() & 0xf_ffff
    let bystander = machine.bystander.bar..<machine.bystander.bar + 0x10_0000
    let ecam = AttackedMachine.ecam..<AttackedMachine.ecam + ECAM.size
    guard !bystander.contains(at), !ecam.contains(at) else { return }
    if chance(50) {
      machine.space.write(address: at, width: width(), value: number())
    } else {
      _ = machine.space.read(address: at, width: width())
    }
  }

  // MARK: The host's side

  /// The host's administrator unplugs a port, or plugs one in.
  func plugPorts() {
    let number = UInt32.random(in: 1..<UInt32(AttackedMachine.portCount), using: &random)
    let device = machine.target.device
    if chance(50) {
      _ = try? device.removePort(number: number)
    } else {
      _ = try? device.addPort(
        PortConfiguration(number: number, name: "port.\(number)"),
        chardev: machine.target.chardevs[Int(number)])
    }
  }

  /// Clients come, go, send, and read or do not.
  func actAsClient() {
    let chardev = pick(machine.target.chardevs)
    switch Int.random(in: 0..<6, using: &random) {
    case 0: if chardev.isConnected { chardev.disconnect() } else { chardev.connect() }
    case 1 where chardev.outgoing.count < 0x1_0000:
      chardev.send([UInt8](repeating: 0x41, count: Int.random(in: 1...9000, using: &random)))
    case 2: chardev.takeMore(Int.random(in: 0...100_000, using: &random))
    case 3: chardev.readLimit = Int.random(in: 1...100_000, using: &random)
    default: chardev.deliver()
    }
    _ = chardev.takeReceived()
  }
}
