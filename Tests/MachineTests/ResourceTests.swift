import Glibc
import TestSupport
import Testing

/// Memory and descriptors stay flat whatever guests and clients do.
@Suite(MicroVM.requirement)
struct ResourceTests {
  private static let mebibyte = 1 << 20

  @Test("Two hundred resets leave no memory and no descriptor behind")
  func resetsLeaveNothing() throws {
    // In steps of 2 MiB the guest's own memory would go up and down by more than is looked for.
    let machine = try MicroVM("run=hello end=reset-cf9", options: ["--huge-pages", "off"])
    let status = ProcessStatus(of: machine.process.pid)
    func boots() -> Int { machine.lines.count { $0.hasPrefix("hello") } }
    #expect(waitUntil { boots() >= 20 })
    let (memory, descriptors) = (status.residentBytes, status.descriptorCount)
    #expect(waitUntil(seconds: 60) { boots() >= 220 })
    // A board being made and one that is being taken down differ by some descriptors.
    #expect(abs(status.descriptorCount - descriptors) <= 8)
    #expect(status.residentBytes - memory < 2 * Self.mebibyte)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("1024 idle ports, sockets and all, cost less than 4 MiB more than one")
  func idlePortsCostLittle() throws {
    func residentBytes(portCount: Int) throws -> Int {
      let machine = try MicroVM(
        "run=hello end=halt", ports: (0..<portCount).map { "port.\($0)" },
        options: ["--virtio-serial", "id=v,max-ports=1025"])
      try #require(machine.says("done"))
      return ProcessStatus(of: machine.process.pid).residentBytes
    }
    let one = try residentBytes(portCount: 1)
    let many = try residentBytes(portCount: 1024)
    #expect(many - one < 4 * Self.mebibyte)
  }

  @Test("A client floods a port that the guest never opens: it is held back, nothing is stored")
  func holdsClientsBack() throws {
    let machine = try MicroVM("run=console mode=msix port=b end=halt", ports: ["a", "b"])
    let client = try machine.connect()
    #expect(machine.says("done"))
    let status = ProcessStatus(of: machine.process.pid)
    let memory = status.residentBytes
    let chunk = [UInt8](repeating: 120, count: 65536)
    var sent = 0
    for _ in 0..<1000 {
      let count = client.sendWhatFits(chunk)
      sent += count
      if count == 0 { usleep(200) }
    }
    #expect(sent > 0)
    #expect(sent < 4 * Self.mebibyte)
    #expect(status.residentBytes - memory < Self.mebibyte)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("A guest floods a port whose client never reads: it is held back, nothing is stored")
  func holdsGuestsBack() throws {
    let machine = try MicroVM("run=flood mode=poll port=a wait=host")
    let client = try machine.connect()
    #expect(machine.says("flooding"))
    let status = ProcessStatus(of: machine.process.pid)
    let memory = status.residentBytes
    usleep(1_000_000)
    #expect(status.residentBytes - memory < Self.mebibyte)
    #expect(!machine.lines.contains("flooded"))
    // What it has sent by now is in the client's socket, and that is bounded.
    #expect(machine.process.end(by: SIGKILL).ending == .killed(SIGKILL))
    #expect(client.rest().count < 2 * Self.mebibyte)
  }

  @Test("A driver that comes up and resets all the time does not fill the loop's inbox")
  func survivesDriverStorms() throws {
    let machine = try MicroVM("run=console mode=msix port=a times=40 end=halt")
    let status = ProcessStatus(of: machine.process.pid)
    #expect(machine.says("ready"))
    let memory = status.residentBytes
    #expect(machine.process.waitForLine("done", seconds: 60))
    #expect(status.residentBytes - memory < Self.mebibyte)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("Notifications of queues that no port has cost no descriptor")
  func notificationsWithoutAPortCostNothing() throws {
    let machine = try MicroVM("run=bells mode=poll end=halt")
    let status = ProcessStatus(of: machine.process.pid)
    #expect(machine.says("max ports 31"))
    let descriptors = status.descriptorCount
    #expect(machine.says("rang"))
    // The port's two queues, and the control channel's.
    #expect(status.descriptorCount - descriptors <= 4)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("A guest that panics without end is told of in a few lines, and the machine still ends")
  func panicsWithoutEnd() throws {
    let machine = try MicroVM(
      "run=panics times=3000 end=halt", options: ["-device", "pvpanic"])
    #expect(machine.says("panicked"))
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
    let lines = machine.process.errorOutput.split(separator: "\n")
    #expect((1...12).contains(lines.count { $0.contains("panicked") }))
  }
}
