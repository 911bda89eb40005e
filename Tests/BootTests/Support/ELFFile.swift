/// A hand-made ELF64 file; every header field can be set to nonsense.
struct ELFFile {
  struct Segment {
    var type: UInt32 = 1
    var address: UInt64 = 0
    var virtualAddress: UInt64?
    var content: [UInt8] = []
    var memorySize: UInt64?
    var alignment: UInt64 = 4
    /// What the header claims instead of the truth.
    var claimedOffset: UInt64?
    var claimedSize: UInt64?
  }

  var bits: UInt8 = 2
  var byteOrder: UInt8 = 1
  var type: UInt16 = 2
  var machine: UInt16 = 62
  var entry: UInt64 = 0
  var programHeaderOffset: UInt64 = 64
  var programHeaderSize: UInt16 = 56
  var programHeaderCount: UInt16?
  var segments: [Segment] = []

  var bytes: [UInt8] {
    var header: [UInt8] =
      [0x7f, 0x45, 0x4c, 0x46, bits, byteOrder, 1] + Array(repeating: 0, count: 9)
    header.add(type)
    header.add(machine)
    header.add(UInt32(1))
    header.add(entry)
    header.add(programHeaderOffset)
    header.add(UInt64(0))
    header.add(UInt32(0))
    header.add(UInt16(64))
    header.add(programHeaderSize)
    header.add(programHeaderCount ?? UInt16(segments.count))
    header += Array(repeating: 0, count: 6)
    var content: [UInt8] = []
    let contentOffset = header.count + 56 * segments.count
    for segment in segments {
      // Padding keeps every segment 8-aligned in the file, as notes demand.
      content += Array(repeating: 0, count: -(contentOffset + content.count) & 7)
      let size = segment.claimedSize ?? UInt64(segment.content.count)
      header.add(segment.type)
      header.add(UInt32(7))
      header.add(segment.claimedOffset ?? UInt64(contentOffset + content.count))
      header.add(segment.virtualAddress ?? segment.address)
      header.add(segment.address)
      header.add(size)
      header.add(segment.memorySize ?? size)
      header.add(segment.alignment)
      content += segment.content
    }
    return header + content
  }

  /// A PT_NOTE segment with the given notes.
  static func notes(_ notes: [[UInt8]], alignment: UInt64 = 4) -> Segment {
    Segment(type: 4, content: Array(notes.joined()), alignment: alignment)
  }

  /// One note, padded to `alignment`.
  static func note(
    name: String, type: UInt32, descriptor: [UInt8], alignment: Int = 4
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.add(UInt32(name.utf8.count + 1))
    bytes.add(UInt32(descriptor.count))
    bytes.add(type)
    bytes += Array(name.utf8) + [0]
    bytes += Array(repeating: 0, count: -bytes.count & (alignment - 1))
    bytes += descriptor
    return bytes + Array(repeating: 0, count: -bytes.count & (alignment - 1))
  }

  /// The note that names the PVH entry, with a 4-byte address.
  static func pvhNote(_ entry: UInt32) -> [UInt8] {
    var descriptor: [UInt8] = []
    descriptor.add(entry)
    return note(name: "Xen", type: 18, descriptor: descriptor)
  }

  /// A bare-metal guest linked at 1 MiB, entered through PVH at `0x100010`.
  static var microGuest: ELFFile {
    var file = ELFFile(entry: 0xdead)
    file.segments = [
      Segment(address: 0x10_0000, content: [UInt8](1...64), memorySize: 0x3000),
      notes([note(name: "GNU", type: 3, descriptor: [1, 2, 3, 4, 5]), pvhNote(0x10_0010)]),
    ]
    return file
  }

  /// A vmlinux without the PVH note: text at 16 MiB, data after it, entered in 64-bit mode.
  static var vmlinux: ELFFile {
    var file = ELFFile(entry: 0x100_0008)
    file.segments = [
      Segment(
        address: 0x100_0000, virtualAddress: 0xffff_ffff_8100_0000,
        content: Array(repeating: 0x90, count: 128)),
      Segment(address: 0x120_0000, virtualAddress: 0, content: [1, 2, 3], memorySize: 0x20_0000),
    ]
    return file
  }
}

extension [UInt8] {
  mutating func add<Value: FixedWidthInteger>(_ value: Value) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  mutating func set<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    Swift.withUnsafeBytes(of: value.littleEndian) {
      replaceSubrange(offset..<(offset + $0.count), with: $0)
    }
  }

  func integer<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value {
    withUnsafeBytes {
      Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
  }
}
