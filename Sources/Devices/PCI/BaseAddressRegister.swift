/// A base address register of a function: where the guest places one region of the device.
///
/// All its state is in configuration space. Address bits below the region's size are not writable, so
/// writing ones and reading back gives the size; the last address written is where the region is
/// (PCI 3.0, 6.2.5.1).
package struct BaseAddressRegister: Equatable, Sendable {
  /// In which space, and with how many address bits.
  package enum Kind: Equatable, Sendable {
    /// A range of ports.
    case io
    /// Memory below 4 GiB.
    case memory32
    /// Memory anywhere; takes two registers.
    case memory64
  }

  /// 0–5; of a 64-bit register the lower one's.
  package let index: Int
  /// In which space.
  package let kind: Kind
  /// Of the region, in bytes.
  package let size: UInt64

  /// - Parameter size: a power of two, at least 16 for memory and 4 to 256 for ports.
  package init(index: Int, kind: Kind, size: UInt64) {
    precondition(0...(kind == .memory64 ? 4 : 5) ~= index)
    precondition(size.nonzeroBitCount == 1)
    switch kind {
    case .io: precondition(4...256 ~= size)
    case .memory32: precondition(16...(1 << 31) ~= size)
    case .memory64: precondition(16...(1 << 62) ~= size)
    }
    self.index = index
    self.kind = kind
    self.size = size
  }

  fileprivate var register: Int { PCIRegister.baseAddress + 4 * index }

  fileprivate var flags: UInt32 {
    switch kind {
    case .io: 0x1
    case .memory32: 0x0
    case .memory64: 0x4
    }
  }
}

extension ConfigurationSpace {
  /// Gives the function a region, placed nowhere yet.
  package mutating func add(_ bar: BaseAddressRegister) {
    set(bar.flags, width: 4, at: bar.register)
    let mask = ~(bar.size &- 1)
    setWritable(UInt32(truncatingIfNeeded: mask), width: 4, at: bar.register)
    if bar.kind == .memory64 {
      setWritable(UInt32(truncatingIfNeeded: mask >> 32), width: 4, at: bar.register + 4)
    }
  }

  /// The address in the register, decoded or not.
  package func address(of bar: BaseAddressRegister) -> UInt64 {
    let low = UInt64(read(register: bar.register, width: 4)) & ~(bar.size &- 1)
    guard bar.kind == .memory64 else { return low }
    return low | UInt64(read(register: bar.register + 4, width: 4)) << 32
  }

  /// Places the region, as firmware does; `address` is a multiple of its size.
  package mutating func setAddress(_ address: UInt64, of bar: BaseAddressRegister) {
    let low = UInt32(truncatingIfNeeded: address & ~(bar.size &- 1))
    set(low | bar.flags, width: 4, at: bar.register)
    if bar.kind == .memory64 {
      set(UInt32(truncatingIfNeeded: address >> 32), width: 4, at: bar.register + 4)
    }
  }

  /// Where the region answers.
  ///
  /// Nil while the command register does not enable its kind of space, at address 0 ("unassigned"),
  /// and if it touches or passes the end of its space: there it lies while the guest finds its size.
  package func decodedRange(of bar: BaseAddressRegister) -> Range<UInt64>? {
    guard bar.kind == .io ? isIOEnabled : isMemoryEnabled else { return nil }
    let limit: UInt64 =
      switch bar.kind {
      case .io: 1 << 16
      case .memory32: 1 << 32
      case .memory64: .max
      }
    let start = address(of: bar)
    let (end, overflows) = start.addingReportingOverflow(bar.size)
    guard start != 0, !overflows, end < limit else { return nil }
    return start..<end
  }
}

/// The region of one base address register as it stands in an address space, kept where the
/// guest's configuration writes put it.
///
/// A value without a lock: its function's lock guards it.
package struct BaseAddressWindow: Sendable {
  /// The register that places the region.
  package let bar: BaseAddressRegister
  /// Where the guest has put the region; nil while it is not decoded.
  package private(set) var range: Range<UInt64>?

  private let space: AddressSpace
  private let device: any AddressSpaceDevice

  /// - Parameters:
  ///   - space: memory, or ports for an I/O register.
  ///   - device: what answers in the region.
  package init(
    _ bar: BaseAddressRegister, in space: AddressSpace, device: any AddressSpaceDevice
  ) {
    self.bar = bar
    self.space = space
    self.device = device
  }

  /// Follows the configuration space; to be called after each write to it. Returns whether the
  /// region has moved, appeared or disappeared.
  @discardableResult
  package mutating func update(from configuration: ConfigurationSpace) -> Bool {
    move(to: configuration.decodedRange(of: bar))
  }

  /// Removes the region from the space, for a device that is unplugged.
  package mutating func close() {
    _ = move(to: nil)
  }

  private mutating func move(to new: Range<UInt64>?) -> Bool {
    guard new != range else { return false }
    space.move(device, from: range, to: new)
    range = new
    return true
  }
}
