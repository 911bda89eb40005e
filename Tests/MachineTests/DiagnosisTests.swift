import Glibc
import TestSupport
import Testing

/// `--stats`, SIGUSR1 and `--trace`, as a user sees them.
@Suite(MicroVM.requirement)
struct DiagnosisTests {
  /// The columns of the table's lines, titles first.
  private func tables(of machine: MicroVM) -> [[Substring]] {
    machine.process.errorOutput.split(separator: "\n").filter { $0.hasPrefix("stats: ") }
      .map { $0.split(separator: " ") }
  }

  @Test func printsStatisticsAtTheEnd() throws {
    let machine = try MicroVM(
      "run=console mode=msix port=a wait=host send=hello echo=1", ports: ["a", "b"],
      options: ["--stats"])
    let client = try machine.connect()
    #expect(client.line() == "hello")
    client.send("x\n")
    #expect(client.line() == "echo x")
    #expect(machine.status() == 0)
    client.close()
    let table = tables(of: machine)
    try #require(table.count == 3)
    let first = "stats: virtio-serial0 1 channel a closed open 13 2 0 0 0 1"
    #expect(table[1].joined(separator: " ") == first)
    let second = "stats: virtio-serial0 2 channel b closed closed 0 0 0 0 0 0"
    #expect(table[2].joined(separator: " ") == second)
    let queues = machine.process.errorOutput.split(separator: "\n")
      .filter { $0.hasPrefix("queues: ") }.map { $0.split(separator: " ").dropLast(3) }
    // Two lines out, one in; on the other port the guest gave a buffer that came to no use.
    #expect(
      queues.dropFirst(3).map { $0.joined(separator: " ") } == [
        "queues: virtio-serial0 1 receive 1 2", "queues: virtio-serial0 1 transmit 2 13",
        "queues: virtio-serial0 2 receive 0 0",
      ])
  }

  @Test("What a device met with: broken rules, and on its control queues what was said")
  func printsWhatADeviceMet() throws {
    let machine = try MicroVM(
      "run=bad-chain,console bad=range queue=5 mode=msix port=a wait=host send=fine",
      options: ["--stats"])
    let client = try machine.connect()
    #expect(client.line() == "fine")
    #expect(machine.status() == 0)
    let lines = machine.process.errorOutput.split(separator: "\n")
    #expect(
      lines.filter { $0.hasPrefix("devices: ") }.map(String.init) == [
        "devices: device          faults  messages ignored  bytes to no port  ports removed"
          + "  bytes lost with them",
        "devices: virtio-serial0       1                 0                 0              0"
          + "                     0",
      ])
    #expect(lines.contains { $0.hasPrefix("queues: virtio-serial0  control  receive ") })
    #expect(lines.contains { $0.hasPrefix("queues: virtio-serial0  control  transmit ") })
  }

  @Test func printsStatisticsOnASignal() throws {
    let machine = try MicroVM("run=console mode=msix port=a wait=host send=hello echo=1")
    let client = try machine.connect()
    #expect(client.line() == "hello")
    kill(machine.process.pid, SIGUSR1)
    #expect(waitUntil { tables(of: machine).count == 2 })
    let line = "stats: virtio-serial0 1 channel a open open 6 0 0 0 0 1"
    #expect(tables(of: machine).last?.joined(separator: " ") == line)
    client.send("x\n")
    #expect(client.line() == "echo x")
    #expect(machine.status() == 0)
    #expect(tables(of: machine).count == 2)
  }

  @Test("A trace tells every message in the order it came, with time and direction")
  func traces() throws {
    let machine = try MicroVM(
      "run=console mode=msix port=a wait=host send=hello", options: ["--trace"])
    let client = try machine.connect()
    #expect(client.line() == "hello")
    #expect(machine.status() == 0)
    let lines = machine.process.errorOutput.split(separator: "\n")
      .filter { $0.hasPrefix("trace: ") }.map { $0.split(separator: " ") }
    for line in lines {
      #expect(Double(line[1]) != nil)
      #expect(line[2] == "ms")
      #expect(line[3] == "virtio-serial0")
    }
    let texts = lines.map { $0.dropFirst(4).joined(separator: " ") }
    #expect(texts.contains { $0.hasPrefix("from guest: DEVICE_READY") })
    #expect(texts.contains { $0.hasPrefix("to guest: ") && $0.contains("PORT_NAME") })
    #expect(texts.contains { $0.hasPrefix("state: port 1: ") })
  }

  @Test func isSilentUnasked() throws {
    let machine = try MicroVM("run=console mode=msix port=a")
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
  }
}
