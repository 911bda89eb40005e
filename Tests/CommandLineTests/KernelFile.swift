/// Kernel files, good for nothing but to be looked at.
enum KernelFile {
  /// An ELF executable for x86_64 with one segment at 16 MiB; 4 KiB and 16 bytes long.
  static func elf(memorySize: UInt64 = 4096, fileSize: UInt64 = 16) -> [UInt8] {
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + zeros(9)
    bytes += little(2, 2) + little(62, 2) + little(1, 4)
    bytes += little(0x100_0000, 8) + little(64, 8) + little(0, 8) + little(0, 4)
    bytes += little(64, 2) + little(56, 2) + little(1, 2) + zeros(6)
    bytes += little(1, 4) + little(5, 4) + little(4096, 8) + little(0x100_0000, 8)
    bytes += little(0x100_0000, 8) + little(fileSize, 8) + little(memorySize, 8) + little(4096, 8)
    return bytes + zeros(4096 + 16 - bytes.count)
  }

  /// An ELF executable for i386.
  static var elf32: [UInt8] {
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1] + zeros(9)
    bytes += little(2, 2) + little(3, 2) + little(1, 4)
    bytes += little(0x10_0000, 4) + little(52, 4) + zeros(8)
    bytes += little(52, 2) + little(32, 2) + little(1, 2) + zeros(6)
    return bytes + zeros(4096)
  }

  /// A bzImage of boot protocol 2.15 for 32-bit processors.
  static var bzImage32: [UInt8] {
    var bytes = zeros(16384)
    func put(_ value: UInt64, _ count: Int, at offset: Int) {
      bytes.replaceSubrange(offset..<offset + count, with: little(value, count))
    }
    put(4, 1, at: 0x1f1)  // setup_sects
    put(0x3f0, 4, at: 0x1f4)  // syssize
    put(0xaa55, 2, at: 0x1fe)
    put(0x66eb, 2, at: 0x200)  // jump over the header
    put(0x5372_6448, 4, at: 0x202)  // "HdrS"
    put(0x20f, 2, at: 0x206)
    put(1, 1, at: 0x211)  // LOADED_HIGH
    put(0x10_0000, 4, at: 0x214)
    put(0x20_0000, 4, at: 0x230)
    put(1, 1, at: 0x234)
    put(2047, 4, at: 0x238)
    put(0x100_0000, 8, at: 0x258)
    put(0x10_0000, 4, at: 0x260)
    return bytes
  }

  private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  private static func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }
}
