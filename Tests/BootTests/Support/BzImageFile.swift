import Testing

/// A hand-made bzImage; fields as in the setup header.
struct BzImageFile: CustomTestStringConvertible {
  var setupSectors: UInt8 = 1
  var bootFlag: UInt16 = 0xaa55
  var magic: [UInt8] = Array("HdrS".utf8)
  var jump: UInt8 = 0x6a
  var version: UInt16 = 0x020f
  var loadFlags: UInt8 = 1
  var initrdAddressMax: UInt32 = 0x7fff_ffff
  var alignment: UInt32 = 0x20_0000
  var relocatable: UInt8 = 1
  var extendedLoadFlags: UInt16 = 0x3f
  var commandLineSize: UInt32 = 2047
  var preferredAddress: UInt64 = 0x100_0000
  var initSize: UInt32 = 0x180_0000
  /// The protected-mode code.
  var payload: [UInt8] = (0..<1536).map { UInt8(truncatingIfNeeded: $0 &* 7 | 1) }
  /// In 16-byte units; by default what `payload` has.
  var paragraphs: UInt32?

  var bytes: [UInt8] {
    let sectors = setupSectors == 0 ? 4 : Int(setupSectors)
    var file = [UInt8](repeating: 0, count: (sectors + 1) * 512)
    file.set(setupSectors, at: 0x1f1)
    file.set(paragraphs ?? UInt32(payload.count / 16), at: 0x1f4)
    file.set(bootFlag, at: 0x1fe)
    file.set(UInt8(0xeb), at: 0x200)
    file.set(jump, at: 0x201)
    file.replaceSubrange(0x202..<0x206, with: magic)
    file.set(version, at: 0x206)
    file.set(loadFlags, at: 0x211)
    file.set(initrdAddressMax, at: 0x22c)
    file.set(alignment, at: 0x230)
    file.set(relocatable, at: 0x234)
    file.set(extendedLoadFlags, at: 0x236)
    file.set(commandLineSize, at: 0x238)
    file.set(UInt64(0xbad), at: 0x250)
    file.set(preferredAddress, at: 0x258)
    file.set(initSize, at: 0x260)
    return file + payload
  }

  var testDescription: String { "bzImage with \(payload.count) bytes of code" }
}
