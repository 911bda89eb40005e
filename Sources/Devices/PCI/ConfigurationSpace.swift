/// The read-only identification in a function's configuration header.
package struct PCIIdentity: Equatable, Sendable {
  /// Vendor and device.
  package var vendor, device: UInt16
  /// Revision of the device.
  package var revision: UInt8
  /// Base class, subclass and programming interface, as in 0x060000.
  package var classCode: UInt32
  /// Subsystem vendor and subsystem.
  package var subsystemVendor, subsystem: UInt16
  /// 0 for none, 1 for INTA.
  package var interruptPin: UInt8

  /// Subsystem and interrupt pin are zero unless given.
  package init(
    vendor: UInt16, device: UInt16, revision: UInt8 = 0, classCode: UInt32,
    subsystemVendor: UInt16 = 0, subsystem: UInt16 = 0, interruptPin: UInt8 = 0
  ) {
    self.vendor = vendor
    self.device = device
    self.revision = revision
    self.classCode = classCode
    self.subsystemVendor = subsystemVendor
    self.subsystem = subsystem
    self.interruptPin = interruptPin
  }
}

/// The 4096 bytes of a function's configuration space, with a header of type 0, and which of their
/// bits the guest can write.
///
/// A value without a lock: its function's lock guards it.
package struct ConfigurationSpace: Sendable {
  /// Length of the space, in bytes.
  package static let size = 4096

  private let identity: PCIIdentity
  private var bytes = [UInt8](repeating: 0, count: size)
  private var writable = [UInt8](repeating: 0, count: size)
  private var capabilitiesEnd = 0x40
  private var lastCapabilityPointer = PCIRegister.capabilitiesPointer

  /// A function without base address registers and capabilities. The guest can write its command,
  /// cache line size, latency timer and interrupt line registers.
  package init(_ identity: PCIIdentity) {
    self.identity = identity
    set(UInt32(identity.vendor), width: 2, at: PCIRegister.vendor)
    set(UInt32(identity.device), width: 2, at: PCIRegister.device)
    set(
      identity.classCode << 8 | UInt32(identity.revision), width: 4, at: PCIRegister.revision)
    set(UInt32(identity.subsystemVendor), width: 2, at: PCIRegister.subsystemVendor)
    set(UInt32(identity.subsystem), width: 2, at: PCIRegister.subsystem)
    set(UInt32(identity.interruptPin), width: 1, at: PCIRegister.interruptPin)
    setWritable(UInt32(Command.writable), width: 2, at: PCIRegister.command)
    setWritable(0xffff, width: 2, at: PCIRegister.cacheLineSize)
    setWritable(0xff, width: 1, at: PCIRegister.interruptLine)
  }

  /// What the guest reads; all ones if the access exceeds the space.
  package func read(register: Int, width: Int) -> UInt32 {
    guard isInside(register, width) else {
      return UInt32(truncatingIfNeeded: UInt64.allOnes(width: min(width, 4)))
    }
    return (0..<width).reduce(0) { $0 | UInt32(bytes[register + $1]) << UInt32(8 * $1) }
  }

  /// What the guest writes: only writable bits change; dropped if the access exceeds the space.
  package mutating func write(register: Int, width: Int, value: UInt32) {
    guard isInside(register, width) else { return }
    for index in 0..<width {
      let byte = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
      let mask = writable[register + index]
      bytes[register + index] = (bytes[register + index] & ~mask) | (byte & mask)
    }
  }

  /// Sets a register from the device's side.
  package mutating func set(_ value: UInt32, width: Int, at register: Int) {
    precondition(isInside(register, width))
    for index in 0..<width {
      bytes[register + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
    }
  }

  /// Says which bits of a register the guest can write.
  package mutating func setWritable(_ mask: UInt32, width: Int, at register: Int) {
    precondition(isInside(register, width))
    for index in 0..<width {
      writable[register + index] = UInt8(truncatingIfNeeded: mask >> UInt32(8 * index))
    }
  }

  /// Appends a capability to the list and returns its offset. There are 192 bytes for all.
  @discardableResult
  package mutating func append(_ capability: PCICapability) -> Int {
    let offset = capabilitiesEnd
    let length = 2 + capability.body.count
    precondition(offset + length <= 256, "the capabilities do not fit")
    set(UInt32(capability.id), width: 1, at: offset)
    for (index, byte) in capability.body.enumerated() { bytes[offset + 2 + index] = byte }
    for (index, mask) in capability.writable.prefix(capability.body.count).enumerated() {
      writable[offset + 2 + index] = mask
    }
    set(UInt32(offset), width: 1, at: lastCapabilityPointer)
    lastCapabilityPointer = offset + 1
    capabilitiesEnd = (offset + length + 3) & ~3
    bytes[PCIRegister.status] |= Status.capabilitiesList
    return offset
  }

  private func isInside(_ register: Int, _ width: Int) -> Bool {
    1...4 ~= width && register >= 0 && register <= Self.size - width
  }
}

extension ConfigurationSpace {
  /// Whether I/O base address registers are decoded.
  package var isIOEnabled: Bool { command & Command.io != 0 }
  /// Whether memory base address registers are decoded.
  package var isMemoryEnabled: Bool { command & Command.memory != 0 }
  /// Whether the function may reach memory and send message-signalled interrupts.
  package var isBusMasterEnabled: Bool { command & Command.busMaster != 0 }
  /// Sets the bus master bit, for a driver that does not.
  package mutating func enableBusMaster() {
    set(UInt32(command | Command.busMaster), width: 2, at: PCIRegister.command)
  }
  /// Whether the function must not assert its interrupt pin.
  package var isINTxDisabled: Bool { command & Command.intxDisable != 0 }

  /// The status register's bit for a waiting interrupt, whether or not the pin is disabled.
  package var hasInterruptStatus: Bool {
    get { bytes[PCIRegister.status] & Status.interrupt != 0 }
    set {
      bytes[PCIRegister.status] &= ~Status.interrupt
      if newValue { bytes[PCIRegister.status] |= Status.interrupt }
    }
  }

  private var command: UInt16 {
    UInt16(truncatingIfNeeded: read(register: PCIRegister.command, width: 2))
  }
}

/// Bits of the command register (PCI 3.0, 6.2.2).
private enum Command {
  static let io: UInt16 = 1 << 0
  static let memory: UInt16 = 1 << 1
  static let busMaster: UInt16 = 1 << 2
  static let intxDisable: UInt16 = 1 << 10
  static let writable = io | memory | busMaster | intxDisable
}

/// Bits of the status register's low byte.
private enum Status {
  static let interrupt: UInt8 = 1 << 3
  static let capabilitiesList: UInt8 = 1 << 4
}

/// One entry of a function's capability list.
package struct PCICapability: Equatable, Sendable {
  /// Which capability: 0x09 vendor-specific, 0x11 MSI-X.
  package var id: UInt8
  /// The bytes after identification and link.
  package var body: [UInt8]
  /// The bits of `body` the guest can write; where it is shorter, none.
  package var writable: [UInt8]

  /// Read-only unless `writable` says otherwise.
  package init(id: UInt8, body: [UInt8], writable: [UInt8] = []) {
    self.id = id
    self.body = body
    self.writable = writable
  }
}

/// A function's configuration header as it is now, for reports.
package struct PCIFunctionState: Equatable, Sendable {
  /// What a base address register decodes.
  package struct Region: Equatable, Sendable {
    /// The register.
    package var bar: BaseAddressRegister
    /// Where the guest has put it; nil for nowhere.
    package var address: UInt64?
  }

  /// Identification, class and pin.
  package var identity: PCIIdentity
  /// The interrupt line register, which the guest may write.
  package var interruptLine: UInt8
  /// The regions, in the order of their registers.
  package var regions: [Region]
}

extension ConfigurationSpace {
  /// The header, with the function's base address registers.
  package func state(_ bars: [BaseAddressRegister] = []) -> PCIFunctionState {
    PCIFunctionState(
      identity: identity,
      interruptLine: bytes[PCIRegister.interruptLine],
      regions: bars.sorted { $0.index < $1.index }.map { bar in
        let address = address(of: bar)
        return .init(bar: bar, address: address == 0 ? nil : address)
      })
  }
}

/// Offsets of the configuration header's registers, type 0 (PCI 3.0, 6.1).
package enum PCIRegister {
  static let vendor = 0x00
  static let device = 0x02
  /// Command.
  package static let command = 0x04
  static let status = 0x06
  /// Followed by the class code's three bytes.
  static let revision = 0x08
  /// Followed by the latency timer.
  static let cacheLineSize = 0x0c
  /// The first of six base address registers.
  package static let baseAddress = 0x10
  static let subsystemVendor = 0x2c
  static let subsystem = 0x2e
  static let capabilitiesPointer = 0x34
  /// Interrupt line, by which firmware tells the guest's software.
  package static let interruptLine = 0x3c
  static let interruptPin = 0x3d
}
