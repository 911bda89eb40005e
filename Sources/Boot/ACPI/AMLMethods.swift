/// Code and hardware access of the ACPI machine language (ACPI 6.5, 20.2.5).
extension AML {
  /// The first local variable of a method, `Local0`.
  static let local0: [UInt8] = [0x60]

  /// An argument of a method, `Arg0` to `Arg6`.
  static func argument(_ index: UInt8) -> [UInt8] { [0x68 + index % 7] }

  /// `Method (name, argumentCount) { terms }`; serialized where it makes names of its own.
  static func method(
    _ name: String, argumentCount: UInt8 = 0, isSerialized: Bool = false, _ terms: [[UInt8]]
  ) -> [UInt8] {
    let flags = argumentCount & 7 | (isSerialized ? 1 << 3 : 0)
    let content = path(name) + [flags] + terms.joined()
    return [0x14] + packageLength(of: content) + content
  }

  /// `OperationRegion (name, SystemIO, ports)`.
  static func portRegion(_ name: String, _ ports: Range<UInt64>) -> [UInt8] {
    [0x5b, 0x80] + path(name) + [0x01] + integer(ports.lowerBound) + integer(UInt64(ports.count))
  }

  /// `Field (region, DWordAcc, NoLock, WriteAsZeros)`: registers of 32 bits, one after the other.
  static func registers(_ names: [String], in region: String) -> [UInt8] {
    let content = path(region) + [0x43] + names.flatMap { path($0) + [32] }
    return [0x5b, 0x81] + packageLength(of: content) + content
  }

  /// `Store (value, target)`.
  static func store(_ value: [UInt8], in target: [UInt8]) -> [UInt8] { [0x70] + value + target }

  /// `If (And (value, mask)) { terms }`.
  static func ifAny(of mask: UInt64, in value: [UInt8], _ terms: [[UInt8]]) -> [UInt8] {
    let content = [0x7b] + value + integer(mask) + [0x00] + terms.joined()
    return [0xa0] + packageLength(of: content) + content
  }

  /// `If (LEqual (left, right)) { terms }`.
  static func ifEqual(_ left: [UInt8], _ right: [UInt8], _ terms: [[UInt8]]) -> [UInt8] {
    let content = [0x93] + left + right + terms.joined()
    return [0xa0] + packageLength(of: content) + content
  }

  /// `Else { terms }`, after an `If`.
  static func otherwise(_ terms: [[UInt8]]) -> [UInt8] {
    let content = Array(terms.joined())
    return [0xa1] + packageLength(of: content) + content
  }

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
