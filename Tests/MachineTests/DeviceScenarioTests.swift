import TestSupport
import Testing

/// What a guest finds on its buses.
@Suite(MicroVM.requirement)
struct DeviceScenarioTests {
  @Test("Ports and addresses without a device read all ones, at every width")
  func answersWhereNothingIs() throws {
    let machine = try MicroVM("run=ports,strings,mmio")
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("ports 0xff 0xffff 0xffffffff"))
    #expect(machine.lines.contains("mmio 0xff 0xffff 0xffffffff 0xffffffffffffffff"))
    #expect(machine.lines.last == "done")
  }

  @Test("The bus has the host bridge and one console, and ECAM shows the same as 0xCF8")
  func showsTheBus() throws {
    let machine = try MicroVM("run=pci")
    #expect(machine.status() == 0)
    #expect(
      machine.lines == [
        "pci 0: 0x8086:0xd57 class 0x6000000 subsystem 0x0",
        "pci 1: 0x1af4:0x1043 class 0x7800001 subsystem 0x11001af4",
        "pci functions 2", "ecam agrees", "done",
      ])
  }

  @Test("Without ports there is no console on the bus")
  func showsNoConsoleWithoutPorts() throws {
    let machine = try MicroVM("run=pci", ports: [])
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("pci functions 1"))
  }

  @Test func sizesAndMovesBARs() throws {
    let machine = try MicroVM("run=bars")
    #expect(machine.status() == 0)
    #expect(
      machine.lines == [
        "bar 0: type 0x4 size 0x8000 at 0xc0000000",
        "bar 0 moved to 0xc0010000 and back, old address read 0xffffffff", "done",
      ])
  }

  @Test("A BAR moves above 4 GiB, too")
  func movesBARsHigh() throws {
    let machine = try MicroVM("run=bars to=0x100000000")
    #expect(machine.status() == 0)
    #expect(
      machine.lines.contains(
        "bar 0 moved to 0x100000000 and back, old address read 0xffffffff"))
  }

  @Test("Other processors start", arguments: [2, 4])
  func startsProcessors(count: Int) throws {
    let machine = try MicroVM(
      "run=processors processors=\(count)", options: ["--cpus", "\(count)"])
    #expect(machine.status() == 0)
    #expect(machine.lines.contains("processors \(count)"))
  }
}
