import Synchronization

/// Ports 0xCF8–0xCFF: configuration mechanism #1 (PCI 3.0, 3.2.2.3.2), and at 0xCF9 a PC's reset
/// control register.
///
/// The address register takes double words only, the data register any width within itself. Other
/// accesses, and one to both registers, read all ones or are dropped.
package final class PCIConfigurationPorts: AddressSpaceDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 8

  private struct State {
    var address: UInt32 = 0
    var resetControl: UInt8 = 0
  }

  private let state = Mutex(State())
  private let bus: PCIBus
  private let onReset: @Sendable () -> Void

  /// - Parameter onReset: called on the vCPU thread for each reset the guest asks for.
  package init(bus: PCIBus, onReset: @escaping @Sendable () -> Void) {
    self.bus = bus
    self.onReset = onReset
  }

  /// The address register, the reset control register, or configuration space.
  package func read(offset: UInt64, width: Int) -> UInt64 {
    switch (offset, width) {
    case (0, 4):
      return state.withLock { UInt64($0.address) }
    case (1, 1):
      return state.withLock { UInt64($0.resetControl) }
    case (4..<8, _):
      guard let (routingID, register) = target(offset, width) else { break }
      return bus.read(routingID, register: register, width: width)
    default: break
    }
    return .allOnes(width: width)
  }

  /// The address register, the reset control register, or configuration space.
  package func write(offset: UInt64, width: Int, value: UInt64) {
    switch (offset, width) {
    case (0, 4):
      state.withLock { $0.address = UInt32(truncatingIfNeeded: value) & Address.writable }
    case (1, 1):
      writeResetControl(UInt8(truncatingIfNeeded: value))
    case (4..<8, _):
      guard let (routingID, register) = target(offset, width) else { break }
      bus.write(routingID, register: register, width: width, value: value)
    default: break
    }
  }

  private func target(_ offset: UInt64, _ width: Int) -> (routingID: UInt16, register: UInt64)? {
    let latched = state.withLock { $0.address }
    guard latched & Address.enable != 0, offset &+ UInt64(width) <= Self.size else { return nil }
    return (
      UInt16(truncatingIfNeeded: latched >> 8), UInt64(latched & Address.register) &+ (offset & 3)
    )
  }

  private func writeResetControl(_ value: UInt8) {
    state.withLock { $0.resetControl = value & ResetControl.type }
    if value & ResetControl.reset != 0 { onReset() }
  }
}

/// Bits of the address register.
private enum Address {
  static let enable: UInt32 = 1 << 31
  static let register: UInt32 = 0xfc
  static let writable: UInt32 = enable | 0x00ff_fffc
}

/// Bits of the reset control register.
private enum ResetControl {
  static let reset: UInt8 = 1 << 2
  /// Hard reset and full power cycle: kept, but all resets are the same here.
  static let type: UInt8 = 1 << 1 | 1 << 3
}

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
    guard let (routingID, register) = target(offset, width) else { return .allOnes(width: width) }
    return bus.read(routingID, register: register, width: width)
  }

  /// Dropped where there is no function, and for an access into two functions.
  package func write(offset: UInt64, width: Int, value: UInt64) {
    guard let (routingID, register) = target(offset, width) else { return }
    bus.write(routingID, register: register, width: width, value: value)
  }

  private func target(_ offset: UInt64, _ width: Int) -> (routingID: UInt16, register: UInt64)? {
    let register = offset & 0xfff
    guard offset >> 28 == 0, 1...8 ~= width, register &+ UInt64(width) <= 4096 else { return nil }
    return (UInt16(truncatingIfNeeded: offset >> 12), register)
  }
}
