import TestSupport
import Testing

/// The transports of a console as a guest under KVM finds them.
@Suite(MicroVM.requirement)
struct TransportScenarioTests {
  @Test(
    "P1, P2, L1: a transitional function, its registers in I/O space and in memory",
    arguments: ["", ",disable-modern=on"])
  func showsLegacyFunctions(more: String) throws {
    let machine = try MicroVM(
      "run=pci", ports: [], options: ["--virtio-serial", "id=v,disable-legacy=off\(more)"])
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("pci 1: 0x1af4:0x1003 class 0x7800000 subsystem 0x31af4"))
  }

  @Test("P17: both BARs of a transitional function are sized, and the memory BAR moves")
  func sizesBothBARs() throws {
    let machine = try MicroVM(
      "run=bars id=0x1003", ports: [], options: ["--virtio-serial", "id=v,disable-legacy=off"])
    #expect(machine.status() == 0)
    #expect(
      machine.lines == [
        "bar 0: type 0x1 size 0x40 at 0xc000",
        "bar 4: type 0x4 size 0x8000 at 0xc0000000",
        "bar 4 moved to 0xc0010000 and back, old address read 0xffffffff", "done",
      ])
  }

  @Test(
    "A modern driver talks through a transitional function", arguments: ["poll", "msix", "intx"])
  func talksThroughTransitional(mode: String) throws {
    let machine = try MicroVM(
      "run=console id=0x1003 mode=\(mode) port=a wait=host send=hello echo=1", ports: [],
      options: [
        "--virtio-serial", "id=v,disable-legacy=off",
        "--virtserialport", "name=a,socket=a,bus=v.0",
      ])
    let client = try machine.connect()
    #expect(client.line() == "hello")
    client.send("one\n")
    #expect(client.line() == "echo one")
    #expect(machine.status() == 0)
  }

  @Test("36 devices: the PCI bus full, and the rest on mmio")
  func manyDevices() throws {
    let devices = (0..<36).flatMap {
      ["--virtio-serial", "id=v\($0)" + ($0 < 31 ? "" : ",transport=mmio")]
    }
    let machine = try MicroVM("run=pci,mmio at=0xfeb04000", ports: [], options: devices)
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("pci functions 32"))
    // Only 32 bits read a register: the version, of the last device.
    #expect(machine.lines.contains("mmio 0x0 0x0 0x2 0x0"))
  }
}
