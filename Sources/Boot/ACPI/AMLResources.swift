/// Resource descriptors (ACPI 6.5, 6.4).
extension AML {
  /// What an address space descriptor describes, with its type-specific flags.
  enum AddressSpace {
    /// Read-write, not cacheable.
    case memory
    /// Ports of the whole range.
    case ports
    case busNumbers

    var type: UInt8 {
      switch self {
      case .memory: 0
      case .ports: 1
      case .busNumbers: 2
      }
    }

    var flags: UInt8 {
      switch self {
      case .memory: 0x01
      case .ports: 0x03
      case .busNumbers: 0
      }
    }
  }

  /// `ResourceTemplate () { descriptors }`: a buffer that ends with a tag, whose checksum 0
  /// stands for "none".
  static func resourceTemplate(_ descriptors: [[UInt8]]) -> [UInt8] {
    buffer(descriptors.joined() + [0x79, 0x00])
  }

  /// `IO (Decode16, ...)`: fixed ports.
  static func io(_ ports: Range<UInt64>) -> [UInt8] {
    var bytes: [UInt8] = [0x47, 0x01]
    bytes.append(little: UInt16(truncatingIfNeeded: ports.lowerBound))
    bytes.append(little: UInt16(truncatingIfNeeded: ports.lowerBound))
    return bytes + [1, UInt8(truncatingIfNeeded: ports.upperBound - ports.lowerBound)]
  }

  /// `IRQNoFlags () { interrupt }`: edge-triggered, active high, not shared; 0 to 15.
  static func irq(_ interrupt: UInt32) -> [UInt8] {
    var bytes: [UInt8] = [0x22]
    bytes.append(little: UInt16(1) << UInt16(interrupt & 15))
    return bytes
  }

  /// `Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { interrupt }`: any input.
  static func sharedInterrupt(_ interrupt: UInt32) -> [UInt8] {
    let consumer: UInt8 = 1 << 0
    let shared: UInt8 = 1 << 3
    var bytes: [UInt8] = [0x89, 6, 0, consumer | shared, 1]
    bytes.append(little: interrupt)
    return bytes
  }

  /// `Memory32Fixed (ReadWrite, ...)`.
  static func memory32Fixed(_ memory: Range<UInt64>) -> [UInt8] {
    var bytes: [UInt8] = [0x86, 9, 0, 1]
    bytes.append(little: UInt32(truncatingIfNeeded: memory.lowerBound))
    bytes.append(little: UInt32(truncatingIfNeeded: memory.upperBound - memory.lowerBound))
    return bytes
  }

  /// `WordIO`, `WordBusNumber`: a window that a bridge hands on; neither empty nor of all 65536
  /// numbers.
  static func word(_ space: AddressSpace, _ window: Range<UInt64>) -> [UInt8] {
    addressSpace(UInt16.self, tag: 0x88, space, window)
  }

  /// `DWordMemory`.
  static func doubleWord(_ space: AddressSpace, _ window: Range<UInt64>) -> [UInt8] {
    addressSpace(UInt32.self, tag: 0x87, space, window)
  }

  /// `QWordMemory`.
  static func quadWord(_ space: AddressSpace, _ window: Range<UInt64>) -> [UInt8] {
    addressSpace(UInt64.self, tag: 0x8a, space, window)
  }

  private static func addressSpace<Value: FixedWidthInteger>(
    _: Value.Type, tag: UInt8, _ space: AddressSpace, _ window: Range<UInt64>
  ) -> [UInt8] {
    // Produced, decoded positively, both ends fixed.
    let generalFlags: UInt8 = 0x0c
    var bytes = [tag]
    bytes.append(little: UInt16(3 + 5 * MemoryLayout<Value>.size))
    bytes += [space.type, generalFlags, space.flags]
    bytes.append(little: Value(0))  // granularity
    bytes.append(little: Value(truncatingIfNeeded: window.lowerBound))
    bytes.append(little: Value(truncatingIfNeeded: window.upperBound &- 1))
    bytes.append(little: Value(0))  // translation
    bytes.append(little: Value(truncatingIfNeeded: window.upperBound - window.lowerBound))
    return bytes
  }
}
