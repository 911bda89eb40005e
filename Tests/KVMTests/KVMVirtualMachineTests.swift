import Glibc
import GuestMemory
import Host
import KVM
import Testing

@Suite(.serialized, .enabled(if: KVMHost.isAvailable, Comment(rawValue: KVMHost.requirement)))
struct KVMVirtualMachineTests {
  /// Writes 1, 2 and 4 bytes to 0xd0000000, one byte beside it, one byte to port 0xf4; halts.
  private static let writer: [UInt8] = [
    0xbb, 0x00, 0x00, 0x00, 0xd0,  // mov $0xd0000000, %ebx
    0x88, 0x03,  // mov %al, (%rbx)
    0x66, 0x89, 0x03,  // mov %ax, (%rbx)
    0x89, 0x03,  // mov %eax, (%rbx)
    0x88, 0x43, 0x04,  // mov %al, 4(%rbx)
    0xe6, 0xf4,  // out %al, $0xf4
    0xf4,  // hlt
  ]

  @Test func anIOEventFDCatchesWritesOfAnyWidthAtItsAddress() throws {
    let guest = try TinyGuest(Self.writer)
    let notified = try EventFD()
    try guest.machine.setIOEventFD(notified, at: .mmio(0xd000_0000), isAssigned: true)
    #expect(try guest.run() == .halted)
    #expect(notified.drain() == 3)
    #expect(
      guest.log == [.mmioWrite(0xd000_0004, width: 1, 0), .portWrite(0xf4, width: 1, 0)])
  }

  @Test func anIOEventFDCatchesAPort() throws {
    let guest = try TinyGuest(Self.writer)
    let notified = try EventFD()
    try guest.machine.setIOEventFD(notified, at: .port(0xf4), isAssigned: true)
    #expect(try guest.run() == .halted)
    #expect(notified.drain() == 1)
    #expect(!guest.log.contains(.portWrite(0xf4, width: 1, 0)))
  }

  /// Writes 5, 6 and 7 to port 0xf4 and to 0xd0000000, 16 and 32 bits wide; halts.
  private static let indexWriter: [UInt8] =
    [0xbb, 0x00, 0x00, 0x00, 0xd0]  // mov $0xd0000000, %ebx
    + [5, 6, 7].flatMap { number -> [UInt8] in
      [
        0xb8, number, 0, 0, 0,  // mov $number, %eax
        0x66, 0xe7, 0xf4,  // out %ax, $0xf4
        0x89, 0x03,  // mov %eax, (%rbx)
      ]
    } + [0xf4]  // hlt

  @Test("One register notifies of many queues: each value has an ioeventfd of its own, or none")
  func ioEventFDsByValue() throws {
    typealias Target = (address: KVMVirtualMachine.NotifyAddress, width: Int)
    for target in [(.port(0xf4), 2), (.mmio(0xd000_0000), 4)] as [Target] {
      let guest = try TinyGuest(Self.indexWriter)
      let notified = [try EventFD(), try EventFD()]
      for (index, eventFD) in notified.enumerated() {
        try guest.machine.setIOEventFD(
          eventFD, at: target.address, value: .init(UInt64(5 + index), width: target.width),
          isAssigned: true)
      }
      try guest.machine.setIOEventFD(
        notified[1], at: target.address, value: .init(6, width: target.width), isAssigned: false)
      #expect(try guest.run() == .halted)
      #expect(notified.map { $0.drain() } == [1, 0])
      let seen: [Recorder.Access] =
        target.width == 2
        ? [.portWrite(0xf4, width: 2, 6), .portWrite(0xf4, width: 2, 7)]
        : [.mmioWrite(0xd000_0000, width: 4, 6), .mmioWrite(0xd000_0000, width: 4, 7)]
      #expect(seen.allSatisfy { guest.log.contains($0) })
      #expect(guest.log.count == 5)
    }
  }

  @Test func aDeassignedIOEventFDCatchesNothing() throws {
    let guest = try TinyGuest(Self.writer)
    let notified = try EventFD()
    try guest.machine.setIOEventFD(notified, at: .mmio(0xd000_0000), isAssigned: true)
    try guest.machine.setIOEventFD(notified, at: .mmio(0xd000_0000), isAssigned: false)
    #expect(try guest.run() == .halted)
    #expect(notified.drain() == 0)
    #expect(guest.log.count == 5)
  }

  @Test func anAddressHasOneIOEventFD() throws {
    let guest = try TinyGuest(Self.writer)
    let notified = try EventFD()
    try guest.machine.setIOEventFD(notified, at: .mmio(0xd000_0000), isAssigned: true)
    #expect(throws: SystemError("KVM_IOEVENTFD", errno: EEXIST)) {
      try guest.machine.setIOEventFD(notified, at: .mmio(0xd000_0000), isAssigned: true)
    }
  }

  @Test func failedCallsAreNamed() throws {
    let guest = try TinyGuest(Self.writer)
    #expect(throws: SystemError("KVM_IRQ_LINE", errno: ENXIO)) {
      try guest.machine.setIRQLine(gsi: 3, level: true)  // no interrupt controllers
    }
    #expect(throws: SystemError("KVM_CREATE_VCPU", errno: EEXIST)) {
      _ = try guest.machine.createVCPU(id: 0, of: 1)
    }
  }

  @Test func theHostSaysHowManyProcessorsItBears() throws {
    let hypervisor = try KVMHost.hypervisor.get()
    #expect(hypervisor.maximumVCPUCount >= 1)
  }
}
