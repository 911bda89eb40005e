import GuestMemory
import KVM
import Testing

/// Exits of real machines, by hand-made code.
@Suite(.serialized, .enabled(if: KVMHost.isAvailable, Comment(rawValue: KVMHost.requirement)))
struct VCPUTests {
  @Test func portAccessesKeepTheirWidths() throws {
    let guest = try TinyGuest(
      [
        0x66, 0xba, 0xf8, 0x03,  // mov $0x3f8, %dx
        0xb8, 0x78, 0x56, 0x34, 0x12,  // mov $0x12345678, %eax
        0xee,  // out %al, %dx
        0x66, 0xef,  // out %ax, %dx
        0xef,  // out %eax, %dx
        0xec,  // in %dx, %al
        0xef,  // out %eax, %dx
        0x66, 0xed,  // in %dx, %ax
        0xef,  // out %eax, %dx
        0xed,  // in %dx, %eax
        0xef,  // out %eax, %dx
        0xf4,  // hlt
      ], answers: [0xaa, 0xbbbb, 0xcccc_cccc])
    #expect(try guest.run() == .halted)
    #expect(
      guest.log == [
        .portWrite(0x3f8, width: 1, 0x78),
        .portWrite(0x3f8, width: 2, 0x5678),
        .portWrite(0x3f8, width: 4, 0x1234_5678),
        .portRead(0x3f8, width: 1),
        .portWrite(0x3f8, width: 4, 0x1234_56aa),
        .portRead(0x3f8, width: 2),
        .portWrite(0x3f8, width: 4, 0x1234_bbbb),
        .portRead(0x3f8, width: 4),
        .portWrite(0x3f8, width: 4, 0xcccc_cccc),
      ])
  }

  @Test func stringInstructionsArriveElementByElement() throws {
    let guest = try TinyGuest(
      [
        0x66, 0xba, 0xf8, 0x03,  // mov $0x3f8, %dx
        0xbe, 0x00, 0x00, 0x10, 0x00,  // mov $data, %esi
        0xb9, 0x03, 0x00, 0x00, 0x00,  // mov $3, %ecx
        0xf3, 0x6e,  // rep outsb
        0xb9, 0x02, 0x00, 0x00, 0x00,  // mov $2, %ecx
        0xf3, 0x66, 0x6f,  // rep outsw
        0xbf, 0x40, 0x00, 0x10, 0x00,  // mov $data+0x40, %edi
        0xb9, 0x05, 0x00, 0x00, 0x00,  // mov $5, %ecx
        0xf3, 0x6c,  // rep insb
        0xf4,  // hlt
      ], answers: [1, 2, 3, 4, 5])
    let text: [UInt8] = [0x61, 0x62, 0x63, 0x01, 0x02, 0x03, 0x04]
    try text.withUnsafeBytes { try guest.memory.write($0, at: TinyGuest.data) }
    #expect(try guest.run() == .halted)
    // The emulator may read ahead, never behind; all five must be there, in order.
    #expect(
      guest.log.prefix(5) == [
        .portWrite(0x3f8, width: 1, 0x61),
        .portWrite(0x3f8, width: 1, 0x62),
        .portWrite(0x3f8, width: 1, 0x63),
        .portWrite(0x3f8, width: 2, 0x0201),
        .portWrite(0x3f8, width: 2, 0x0403),
      ])
    let received = try (0..<6).map {
      try guest.memory.load(TinyGuest.data + 0x40 + $0, as: UInt8.self)
    }
    #expect(received == [1, 2, 3, 4, 5, 0])
  }

  @Test func memoryMappedAccessesKeepTheirWidths() throws {
    let guest = try TinyGuest(
      [
        0xbb, 0x00, 0x00, 0x00, 0xd0,  // mov $0xd0000000, %ebx
        0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 1,  // mov $0x0102030405060708, %rax
        0x88, 0x03,  // mov %al, (%rbx)
        0x66, 0x89, 0x43, 0x02,  // mov %ax, 2(%rbx)
        0x89, 0x43, 0x04,  // mov %eax, 4(%rbx)
        0x48, 0x89, 0x43, 0x08,  // mov %rax, 8(%rbx)
        0x48, 0x8b, 0x43, 0x10,  // mov 0x10(%rbx), %rax
        0x48, 0x89, 0x04, 0x25, 0x00, 0x00, 0x10, 0x00,  // mov %rax, data
        0xf4,  // hlt
      ], answers: [0x1122_3344_5566_7788])
    #expect(try guest.run() == .halted)
    #expect(
      guest.log == [
        .mmioWrite(0xd000_0000, width: 1, 8),
        .mmioWrite(0xd000_0002, width: 2, 0x0708),
        .mmioWrite(0xd000_0004, width: 4, 0x0506_0708),
        .mmioWrite(0xd000_0008, width: 8, 0x0102_0304_0506_0708),
        .mmioRead(0xd000_0010, width: 8),
      ])
    #expect(try guest.memory.load(TinyGuest.data, as: UInt64.self) == 0x1122_3344_5566_7788)
  }

  /// KVM cuts these into odd lengths.
  @Test func accessesAcrossPagesArriveInPieces() throws {
    let guest = try TinyGuest([
      0xbb, 0xfd, 0x0f, 0x00, 0xd0,  // mov $0xd0000ffd, %ebx
      0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 1,  // mov $0x0102030405060708, %rax
      0x48, 0x89, 0x03,  // mov %rax, (%rbx)
      0xf4,  // hlt
    ])
    #expect(try guest.run() == .halted)
    var bytes: [UInt64: UInt8] = [:]
    for access in guest.log {
      guard case .mmioWrite(let address, let width, let value) = access else {
        Issue.record("unexpected \(access)")
        continue
      }
      #expect(1...8 ~= width)
      for offset in 0..<width {
        bytes[address + UInt64(offset)] = UInt8(truncatingIfNeeded: value >> (8 * offset))
      }
    }
    let written = (0..<8).map { bytes[0xd000_0ffd + $0] }
    #expect(written == [8, 7, 6, 5, 4, 3, 2, 1])
  }

  @Test func entersThe32BitModeOfPVH() throws {
    let guest = try TinyGuest(
      [
        0x89, 0xd8,  // mov %ebx, %eax
        0xe7, 0xf4,  // out %eax, $0xf4
        0x0f, 0x20, 0xc0,  // mov %cr0, %eax
        0xe7, 0xf4,  // out %eax, $0xf4
        0x8c, 0xd8,  // mov %ds, %eax
        0xe7, 0xf4,  // out %eax, $0xf4
        0xf4,  // hlt
      ], mode: .protected32)
    #expect(try guest.run() == .halted)
    #expect(
      guest.log == [
        .portWrite(0xf4, width: 4, 0x6000),
        .portWrite(0xf4, width: 4, 0x11),
        .portWrite(0xf4, width: 4, 0x18),
      ])
  }

  @Test func tripleFaultIsShutdown() throws {
    let guest = try TinyGuest([0x0f, 0x0b])  // ud2, with no interrupt table
    #expect(try guest.run() == .shutdown)
  }
}
