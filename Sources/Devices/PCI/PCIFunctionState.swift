/// What a function's configuration header says now.
package struct PCIFunctionState: Equatable, Sendable {
  /// What a base address register decodes.
  package struct Region: Equatable, Sendable {
    /// The register.
    package var bar: BaseAddressRegister
    /// Where the guest has put it; nil for nowhere.
    package var address: UInt64?
  }

  /// The ids, the class, and the pin.
  package var identity: PCIIdentity
  /// The guest's note of the interrupt line.
  package var interruptLine: UInt8
  /// The regions, in the order of their registers.
  package var regions: [Region]
}

extension ConfigurationSpace {
  /// The header, with the function's registers.
  package func state(_ bars: [BaseAddressRegister] = []) -> PCIFunctionState {
    func half(_ register: Int) -> UInt16 {
      UInt16(truncatingIfNeeded: read(register: register, width: 2))
    }
    func byte(_ register: Int) -> UInt8 {
      UInt8(truncatingIfNeeded: read(register: register, width: 1))
    }
    return PCIFunctionState(
      identity: PCIIdentity(
        vendor: half(PCIRegister.vendor), device: half(PCIRegister.device),
        revision: byte(PCIRegister.revision),
        classCode: read(register: PCIRegister.revision, width: 4) >> 8,
        subsystemVendor: half(PCIRegister.subsystemVendor), subsystem: half(PCIRegister.subsystem),
        interruptPin: byte(PCIRegister.interruptPin)),
      interruptLine: byte(PCIRegister.interruptLine),
      regions: bars.sorted { $0.index < $1.index }.map { bar in
        let address = address(of: bar)
        return .init(bar: bar, address: address == 0 ? nil : address)
      })
  }
}
