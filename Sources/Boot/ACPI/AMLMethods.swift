/// Code and hardware access of the ACPI machine language (ACPI 6.5, 20.2.5).
extension AML {
  /// The first local variable of a method, `Local0`.
  static let local0: [UInt8] = [0x60]

  /// `Method (name, argumentCount) { terms }`.
  static func method(_ name: String, argumentCount: UInt8 = 0, _ terms: [[UInt8]]) -> [UInt8] {
    let content = path(name) + [argumentCount & 7] + terms.joined()
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

  /// `Notify (object, value)`.
  static func notify(_ object: String, _ value: UInt64) -> [UInt8] {
    [0x86] + path(object) + integer(value)
  }
}
