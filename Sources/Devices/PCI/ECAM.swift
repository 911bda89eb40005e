/// Memory-mapped configuration space: 4 KiB for each function (PCI Express 5.0, 7.2.2).
package final class ECAM: AddressSpaceDevice {
  /// What bus 0 takes, in bytes.
  package static let size: UInt64 = 1 << 20

  private let bus: PCIBus

  /// The window onto the bus.
  package init(bus: PCIBus) {
    self.bus = bus
  }

  /// All ones where there is no function, and for an access into two functions.
  package func read(offset: UInt64, width: Int) -> UInt64 {
    guard let (address, register) = target(offset, width) else { return .allOnes(width: width) }
    return bus.read(address, register: register, width: width)
  }

  /// Dropped where there is no function, and for an access into two functions.
  package func write(offset: UInt64, width: Int, value: UInt64) {
    guard let (address, register) = target(offset, width) else { return }
    bus.write(address, register: register, width: width, value: value)
  }

  private func target(_ offset: UInt64, _ width: Int) -> (PCIAddress, register: UInt64)? {
    let register = offset & 0xfff
    guard offset >> 28 == 0, 1...8 ~= width, register &+ UInt64(width) <= 4096 else { return nil }
    return (PCIAddress(routingID: UInt16(truncatingIfNeeded: offset >> 12)), register)
  }
}
