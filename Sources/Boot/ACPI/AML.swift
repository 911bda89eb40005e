/// The encodings of the ACPI machine language used here (ACPI 6.5, 20.2), each as bytes.
///
/// Arguments are the programmer's and never the user's: names are well-formed paths, lists short.
package enum AML {
  /// Name: a path of segments of up to four characters, as in `\_SB.PCI0`.
  static func path(_ text: String) -> [UInt8] {
    let isAbsolute = text.hasPrefix("\\")
    let segments = text.utf8.drop { $0 == UInt8(ascii: "\\") }.split(separator: UInt8(ascii: "."))
    var bytes: [UInt8] = isAbsolute ? [0x5c] : []
    switch segments.count {
    case 0: bytes.append(0x00)
    case 1: break
    case 2: bytes.append(0x2e)
    default: bytes += [0x2f, UInt8(truncatingIfNeeded: segments.count)]
    }
    for segment in segments { bytes += (Array(segment) + Array("____".utf8)).prefix(4) }
    return bytes
  }

  /// The length of `content`, less than 256 MiB, and of the length itself.
  package static func packageLength(of content: [UInt8]) -> [UInt8] {
    if content.count + 1 <= 0x3f { return [UInt8(content.count + 1)] }
    let more = content.count + 2 <= 0xfff ? 1 : content.count + 3 <= 0xf_ffff ? 2 : 3
    let length = content.count + 1 + more
    var bytes = [UInt8(more << 6 | length & 0xf)]
    for index in 0..<more { bytes.append(UInt8(truncatingIfNeeded: length >> (4 + 8 * index))) }
    return bytes
  }

  /// A term whose opcode is followed by the length of what it contains.
  private static func term(_ opcode: UInt8..., content: [UInt8], _ terms: [[UInt8]] = []) -> [UInt8]
  {
    let content = content + terms.joined()
    return opcode + packageLength(of: content) + content
  }

  /// An integer in its shortest form.
  package static func integer(_ value: some BinaryInteger) -> [UInt8] {
    let value = UInt64(truncatingIfNeeded: value)
    return switch value {
    case 0...1: [UInt8(value)]
    case ...0xff: [0x0a, UInt8(value)]
    case ...0xffff: [UInt8](little: UInt8(0x0b), UInt16(value))
    case ...0xffff_ffff: [UInt8](little: UInt8(0x0c), UInt32(value))
    default: [UInt8](little: UInt8(0x0e), value)
    }
  }

  /// A string of ASCII characters.
  static func string(_ text: String) -> [UInt8] { [0x0d] + Array(text.utf8) + [0] }

  /// A Plug and Play id such as PNP0A08: three letters in five bits each, four hexadecimal digits.
  static func eisaID(_ text: String) -> [UInt8] {
    let letters = text.utf8.prefix(3).reduce(UInt32(0)) { $0 << 5 | UInt32($1 & 0x1f) }
    let digits = UInt32(text.dropFirst(3), radix: 16) ?? 0
    return [UInt8](little: UInt8(0x0c), (letters << 16 | digits).byteSwapped)
  }

  /// `Name (name, value)`.
  static func name(_ name: String, _ value: [UInt8]) -> [UInt8] { [0x08] + path(name) + value }

  /// `Package { elements }`, at most 255 of them.
  static func package(_ elements: [[UInt8]]) -> [UInt8] {
    term(0x12, content: [UInt8(truncatingIfNeeded: elements.count)], elements)
  }

  /// `Buffer { bytes }`.
  static func buffer(_ bytes: [UInt8]) -> [UInt8] {
    term(0x11, content: integer(bytes.count) + bytes)
  }

  /// `Scope (name) { terms }`.
  static func scope(_ name: String, _ terms: [[UInt8]]) -> [UInt8] {
    term(0x10, content: path(name), terms)
  }

  /// `Device (name) { terms }`.
  static func device(_ name: String, _ terms: [[UInt8]]) -> [UInt8] {
    term(0x5b, 0x82, content: path(name), terms)
  }
}

/// Code and hardware access (ACPI 6.5, 20.2.5).
extension AML {
  /// The first local variable of a method, `Local0`.
  static let local0: [UInt8] = [0x60]

  /// An argument of a method, `Arg0` to `Arg6`.
  static func argument(_ index: UInt8) -> [UInt8] { [0x68 + index % 7] }

  /// `Method (name, argumentCount) { terms }`; to be serialized if it makes names of its own.
  static func method(
    _ name: String, argumentCount: UInt8 = 0, isSerialized: Bool = false, _ terms: [[UInt8]]
  ) -> [UInt8] {
    term(0x14, content: path(name) + [argumentCount & 7 | (isSerialized ? 1 << 3 : 0)], terms)
  }

  /// `OperationRegion (name, SystemIO, ports)`.
  static func portRegion(_ name: String, _ ports: Range<UInt64>) -> [UInt8] {
    [0x5b, 0x80] + path(name) + [0x01] + integer(ports.lowerBound) + integer(ports.size)
  }

  /// `Field (region, DWordAcc, NoLock, WriteAsZeros)`: registers of 32 bits, one after the other.
  static func registers(_ names: [String], in region: String) -> [UInt8] {
    term(0x5b, 0x81, content: path(region) + [0x43], names.map { path($0) + [32] })
  }

  /// `Store (value, target)`.
  static func store(_ value: [UInt8], in target: [UInt8]) -> [UInt8] { [0x70] + value + target }

  /// `If (And (value, mask)) { terms }`.
  static func ifAny(of mask: UInt64, in value: [UInt8], _ terms: [[UInt8]]) -> [UInt8] {
    term(0xa0, content: [0x7b] + value + integer(mask) + [0x00], terms)
  }

  /// `If (LEqual (left, right)) { terms }`.
  static func ifEqual(_ left: [UInt8], _ right: [UInt8], _ terms: [[UInt8]]) -> [UInt8] {
    term(0xa0, content: [0x93] + left + right, terms)
  }

  /// `Else { terms }`, after an `If`.
  static func otherwise(_ terms: [[UInt8]]) -> [UInt8] { term(0xa1, content: [], terms) }

  /// `CreateDWordField (buffer, offset, name)`.
  static func doubleWordField(_ name: String, of buffer: [UInt8], at offset: UInt64) -> [UInt8] {
    [0x8a] + buffer + integer(offset) + path(name)
  }

  /// `Or (target, bits, target)`.
  static func setBits(_ bits: UInt64, in target: [UInt8]) -> [UInt8] {
    [0x7d] + target + integer(bits) + target
  }

  /// `And (target, Not (bits), target)`, of 32 bits.
  static func clearBits(_ bits: UInt64, in target: [UInt8]) -> [UInt8] {
    [0x7b] + target + integer(~bits & 0xffff_ffff) + target
  }

  /// `Return (value)`.
  static func returning(_ value: [UInt8]) -> [UInt8] { [0xa4] + value }

  /// `Notify (object, value)`.
  static func notify(_ object: String, _ value: UInt64) -> [UInt8] {
    [0x86] + path(object) + integer(value)
  }
}

/// Resource descriptors (ACPI 6.5, 6.4).
extension AML {
  /// `ResourceTemplate () { descriptors }`: a buffer that ends with a tag, whose checksum 0
  /// stands for "none".
  static func resourceTemplate(_ descriptors: [[UInt8]]) -> [UInt8] {
    buffer(descriptors.joined() + [0x79, 0x00])
  }

  /// `IO (Decode16, ...)`: fixed ports.
  static func io(_ ports: Range<UInt64>) -> [UInt8] {
    let start = UInt16(truncatingIfNeeded: ports.lowerBound)
    return [0x47, 0x01]
      + [UInt8](little: start, start, UInt8(1), UInt8(truncatingIfNeeded: ports.size))
  }

  /// `IRQNoFlags () { interrupt }`: edge-triggered, active high, not shared; 0 to 15.
  static func irq(_ interrupt: UInt32) -> [UInt8] {
    [UInt8](little: UInt8(0x22), UInt16(1) << UInt16(interrupt & 15))
  }

  /// `Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { interrupt }`: any input.
  static func sharedInterrupt(_ interrupt: UInt32) -> [UInt8] {
    [0x89, 6, 0, 1 << 0 | 1 << 3, 1] + [UInt8](little: interrupt)  // consumer, shared
  }

  /// `Memory32Fixed (ReadWrite, ...)`.
  static func memory32Fixed(_ memory: Range<UInt64>) -> [UInt8] {
    [0x86, 9, 0, 1]
      + [UInt8](
        little: UInt32(truncatingIfNeeded: memory.lowerBound),
        UInt32(truncatingIfNeeded: memory.size))
  }

  /// The type of an address space descriptor, and its flags of the same number: read-write memory that
  /// is not cacheable, ports of the whole range, bus numbers.
  enum AddressSpace: UInt8 {
    case memory, ports, busNumbers

    fileprivate static let flags: [UInt8] = [0x01, 0x03, 0]
  }

  /// `WordIO`, `WordBusNumber`, `DWordMemory`, `QWordMemory`: a window that a bridge hands on, in
  /// numbers of this type; neither empty nor of all its numbers.
  static func window<Value: FixedWidthInteger>(
    _: Value.Type, _ space: AddressSpace, _ window: Range<UInt64>
  ) -> [UInt8] {
    let size = MemoryLayout<Value>.size
    let tag: UInt8 = size == 2 ? 0x88 : size == 4 ? 0x87 : 0x8a
    let generalFlags: UInt8 = 0x0c  // produced, decoded positively, both ends fixed
    let none: Value = 0  // for granularity and translation
    return [UInt8](
      little: tag, UInt16(3 + 5 * size), space.rawValue, generalFlags,
      AddressSpace.flags[Int(space.rawValue)], none,
      Value(truncatingIfNeeded: window.lowerBound),
      Value(truncatingIfNeeded: window.upperBound &- 1), none,
      Value(truncatingIfNeeded: window.size))
  }
}
