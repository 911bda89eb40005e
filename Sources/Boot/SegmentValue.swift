/// A segment register with its hidden part, field by field as in `kvm_segment`.
package struct SegmentValue: Equatable, Sendable {
  /// Linear address of its first byte.
  package var base: UInt32 = 0
  /// Last valid offset in bytes: already scaled where `g` is 1.
  package var limit: UInt32 = 0xffff_ffff
  /// Offset of its descriptor in the GDT.
  package var selector: UInt16
  /// Descriptor type (Intel SDM volume 3, 3.4.5.1 and 3.5).
  package var type: UInt8
  /// 1 for code and data, 0 for system segments.
  package var s: UInt8 = 1
  /// Privilege level.
  package var dpl: UInt8 = 0
  /// 1 if usable.
  package var present: UInt8 = 1
  /// 1 for 64-bit code.
  package var l: UInt8 = 0
  /// 1 for 32-bit code or data.
  package var db: UInt8 = 0
  /// 1 if the descriptor counts its limit in 4 KiB units.
  package var g: UInt8 = 1

  /// The 8-byte descriptor from which a CPU would load this value.
  package var descriptor: UInt64 {
    let units = UInt64(g == 1 ? limit >> 12 : limit)
    let base = UInt64(base)
    var value = units & 0xffff | (base & 0xff_ffff) << 16
    value |= UInt64(type & 0xf) << 40 | UInt64(s & 1) << 44 | UInt64(dpl & 3) << 45
    value |= UInt64(present & 1) << 47 | (units >> 16 & 0xf) << 48
    value |= UInt64(l & 1) << 53 | UInt64(db & 1) << 54 | UInt64(g & 1) << 55
    return value | (base >> 24) << 56
  }
}

extension SegmentValue {
  /// __BOOT_CS of the Linux boot protocol: flat 64-bit code.
  static let code64 = SegmentValue(selector: 0x10, type: 0xb, l: 1)
  /// Flat 32-bit code.
  static let code32 = SegmentValue(selector: 0x10, type: 0xb, db: 1)
  /// __BOOT_DS of the Linux boot protocol: flat data.
  static let flatData = SegmentValue(selector: 0x18, type: 0x3, db: 1)
  /// A busy task state segment, which a CPU in protected mode must have.
  static let task = SegmentValue(limit: 0x67, selector: 0x20, type: 0xb, s: 0, g: 0)
}
