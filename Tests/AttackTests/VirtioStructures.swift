/// Where a function's virtio structures are, found as a driver does, through its capability list.
struct VirtioStructures {
  /// Offsets in the BAR, by cfg_type.
  private(set) var offsets: [Int: UInt64] = [:]
  /// The MSI-X capability's register, and its table's offset in the BAR.
  private(set) var messageCapability: UInt64 = 0
  private(set) var messageTable: UInt64 = 0
  /// The register of the window into the BAR (PCI_CFG).
  private(set) var windowCapability: UInt64 = 0

  init(_ machine: AttackedMachine, slot: Int) {
    func read(_ register: UInt64, _ width: Int) -> UInt64 {
      machine.space.read(
        address: AttackedMachine.ecam + UInt64(slot) << 15 + register, width: width)
    }
    var at = read(0x34, 1)
    while at != 0 {
      switch read(at, 1) {
      case 0x11:
        messageCapability = at
        messageTable = read(at + 4, 4) & ~7
      case 0x09 where read(at + 3, 1) == 5: windowCapability = at
      case 0x09: offsets[Int(read(at + 3, 1))] = read(at + 8, 4)
      default: break
      }
      at = read(at + 1, 1)
    }
  }

  /// Address of an offset in structure `type`, with the BAR at `bar`.
  func address(_ type: Int, _ offset: UInt64, bar: UInt64) -> UInt64 {
    bar &+ (offsets[type] ?? 0) &+ offset
  }
}
