import Devices
import Testing

@Suite struct PCIConfigurationPortsTests {
  let ports = AddressSpace(name: "ports")
  let resets = Recorder<Int>()

  init() throws {
    let bus = PCIBus()
    try bus.add(HostBridge(), device: 0)
    let device = PCIConfigurationPorts(bus: bus) { [resets] in resets.record(1) }
    try ports.add(0xcf8..<0xcf8 + PCIConfigurationPorts.size, device: device)
  }

  private func read(_ port: UInt64, _ width: Int) -> UInt64 {
    ports.read(address: port, width: width)
  }
  private func write(_ port: UInt64, _ width: Int, _ value: UInt64) {
    ports.write(address: port, width: width, value: value)
  }

  /// pci_check_type1 and pci_sanity_check of Linux.
  @Test func linuxTrustsMechanismOne() {
    write(0xcfb, 1, 0x01)
    let old = read(0xcf8, 4)
    write(0xcf8, 4, 0x8000_0000)
    #expect(read(0xcf8, 4) == 0x8000_0000)
    write(0xcf8, 4, 0x8000_0008)
    #expect(read(0xcfe, 2) == 0x0600)
    write(0xcf8, 4, old)
    #expect(read(0xcf8, 4) == 0)
  }

  /// pci_check_type2 must not find the old mechanism.
  @Test func linuxDoesNotFindMechanismTwo() {
    for port in [0xcfb, 0xcf8, 0xcfa] as [UInt64] { write(port, 1, 0) }
    #expect(read(0xcf8, 1) != 0 || read(0xcfa, 1) != 0)
  }

  @Test func addressTakesDoubleWordsOnly() {
    write(0xcf8, 4, 0x8000_0000)
    for (port, width) in [(0xcf8, 1), (0xcf8, 2), (0xcfa, 1), (0xcfa, 2), (0xcfb, 1), (0xcf9, 2)] {
      write(UInt64(port), width, 0)
      #expect(read(UInt64(port), width) == .allOnes(width: width))
    }
    #expect(read(0xcf8, 4) == 0x8000_0000)
    write(0xcf8, 4, .max)
    #expect(read(0xcf8, 4) == 0x80ff_fffc)
  }

  @Test func dataTakesAnyPartOfTheRegister() {
    write(0xcf8, 4, 0x8000_0000)
    #expect(read(0xcfc, 4) == 0x0d57_8086)
    #expect(read(0xcfc, 2) == 0x8086 && read(0xcfe, 2) == 0x0d57)
    #expect((0..<4).map { read(0xcfc + $0, 1) } == [0x86, 0x80, 0x57, 0x0d])
    #expect(read(0xcfd, 2) == 0x5780)
    #expect(read(0xcfd, 4) == 0xffff_ffff)
    #expect(read(0xcfe, 4) == 0xffff_ffff)
    #expect(read(0xcfa, 4) == 0xffff_ffff)
    write(0xcf8, 4, 0x8000_0004)
    write(0xcfc, 1, 0x02)
    #expect(read(0xcfc, 4) == 0x0000_0002)
    write(0xcfc, 4, 0)
    write(0xcfa, 4, .max)
    #expect(read(0xcfc, 4) == 0)
  }

  @Test func disabledAndAbsentReadAllOnes() {
    for address in [0, 0x7fff_ffff, 0x8001_0000, 0x8000_0800, 0x8000_0100, 0x80ff_fffc]
      as [UInt64]
    {
      write(0xcf8, 4, address)
      for (port, width) in [(0xcfc, 4), (0xcfe, 2), (0xcff, 1)] {
        #expect(read(UInt64(port), width) == .allOnes(width: width))
        write(UInt64(port), width, 0)
      }
    }
  }

  @Test func resetControl() {
    for value in 0...0xff as ClosedRange<UInt64> {
      write(0xcf9, 1, value)
      #expect(resets.take().count == (value & 4 != 0 ? 1 : 0))
    }
    write(0xcf8, 4, 0x0000_0600)
    write(0xcf9, 2, 0x0606)
    #expect(resets.events.isEmpty)
  }

  /// As `reboot=pci` does it.
  @Test func linuxRebootsThroughResetControl() {
    let control = read(0xcf9, 1) & ~0x0e
    write(0xcf9, 1, control | 2)
    #expect(read(0xcf9, 1) == control | 2)
    #expect(resets.events.isEmpty)
    write(0xcf9, 1, control | 0x0e)
    #expect(resets.events.count == 1)
  }
}

@Suite struct ECAMTests {
  let ecam: ECAM

  init() throws {
    let bus = PCIBus()
    try bus.add(HostBridge(), device: 3)
    ecam = ECAM(bus: bus)
  }

  @Test func offsetsAreDeviceFunctionAndRegister() {
    #expect(ecam.read(offset: 3 << 15, width: 4) == 0x0d57_8086)
    #expect(ecam.read(offset: 3 << 15, width: 8) == 0x0000_0000_0d57_8086)
    #expect(ecam.read(offset: 3 << 15 | 0x0a, width: 2) == 0x0600)
    #expect(ecam.read(offset: 3 << 15 | 0xffc, width: 4) == 0)
    ecam.write(offset: 3 << 15 | 4, width: 2, value: 2)
    #expect(ecam.read(offset: 3 << 15 | 4, width: 1) == 2)
  }

  @Test func everythingElseIsAbsent() {
    let absent: [UInt64] = [
      0, 4 << 15, 3 << 15 | 1 << 12, 1 << 20 | 3 << 15, 1 << 28 | 3 << 15, .max,
    ]
    for offset in absent {
      #expect(ecam.read(offset: offset, width: 4) == 0xffff_ffff)
      ecam.write(offset: offset, width: 4, value: 0)
    }
    #expect(ecam.read(offset: 3 << 15 | 0xffe, width: 4) == 0xffff_ffff)
  }
}
