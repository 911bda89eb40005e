import Glibc
import TestSupport
import Testing

/// Bare-metal guests that do what no honest one does; the ids are those of the hostile cases.
@Suite(MicroVM.requirement)
struct HostileGuestTests {
  private static let mebibyte = 1 << 20

  private func residentBytes(afterRunning scenarios: String) throws -> Int {
    let machine = try MicroVM("run=\(scenarios) memory=0x1000000 end=halt")
    try #require(machine.says("done"))
    return ProcessStatus(of: machine.process.pid).residentBytes
  }

  // MARK: G19: ports and addresses

  @Test("G19: only the ports of devices answer; the rest, and the holes in memory, read all ones")
  func answersNowhereElse() throws {
    let machine = try MicroVM("run=sweep")
    #expect(machine.status(seconds: 60) == 0)
    let answering = Set(
      machine.lines.filter { $0.hasPrefix("port 0x") }
        .compactMap { UInt32($0.dropFirst("port 0x".count), radix: 16) })
    let ranges: [ClosedRange<UInt32>] = [
      0x20...0x21, 0x40...0x43, 0x60...0x64, 0x70...0x71, 0xa0...0xa1, 0x3f8...0x3ff,
      0x4d0...0x4d1, 0x600...0x605, 0x610...0x61f, 0xcf8...0xcff,
    ]
    #expect(answering.isSuperset(of: [0x64, 0x3fd, 0x604]))
    #expect(answering.subtracting(ranges.flatMap(Array.init)) == [])
    #expect(machine.lines.contains("holes that answer: 0 of 11"))
  }

  @Test("G19: string instructions at every width, on ports with and without a device; divisor 0")
  func takesStringsEverywhere() throws {
    let machine = try MicroVM("run=storm,console mode=poll port=a wait=host send=fine")
    let client = try machine.connect()
    #expect(machine.process.waitForLine("storm over", seconds: 60))
    #expect(client.line() == "fine")
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
  }

  // MARK: G20: processors and resets

  @Test("G20: processors that reset the machine at the same moment reset it once")
  func resetsOnce() throws {
    let machine = try MicroVM(
      "run=reset-together processors=4", options: ["--cpus", "4", "--no-reboot"])
    #expect(machine.status(seconds: 60) == 3)
    #expect(machine.lines.first == "processors 4")
    #expect(machine.process.errorOutput == "swiftvm: the guest reset itself\n")
  }

  @Test("G20: the same again and again")
  func resetsAgainAndAgain() throws {
    let machine = try MicroVM("run=reset-together processors=4", options: ["--cpus", "4"])
    #expect(waitUntil(seconds: 60) { machine.lines.count { $0 == "processors 4" } >= 5 })
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
    #expect(machine.directory.entries == [])
  }

  @Test(
    "G20: resets while bytes are on their way to a client, which stays connected",
    arguments: ["reset-i8042", "reset-cf9"])
  func resetsInMidTransfer(way: String) throws {
    let machine = try MicroVM("run=flood mode=poll port=a wait=host bytes=100000 end=\(way)")
    let client = try machine.connect()
    func rounds() -> Int { machine.lines.count { $0 == "flooded" } }
    var total = 0
    while rounds() < 4, case let bytes = client.receive(), !bytes.isEmpty { total += bytes.count }
    #expect(rounds() >= 4)
    // What was still in the rings went with each reset; all else has come.
    #expect(total > 100_000)
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("G20: code in a hole of memory ends the machine with a report")
  func reportsExecutionOfNothing() throws {
    let machine = try MicroVM("run=fetch at=0xd0000000")
    #expect(machine.status() == 5)
    #expect(
      machine.process.errorOutput.hasPrefix(
        "swiftvm: KVM internal error 1 (instruction emulation failed) at rip 0xd0000000"))
    #expect(machine.directory.entries == [])
  }

  // MARK: G21: memory

  @Test("G21: a guest that touches all its memory makes the process larger by that, and no more")
  func touchesAllMemory() throws {
    let untouched = try residentBytes(afterRunning: "hello")
    let touched = try residentBytes(afterRunning: "touch")
    let again = try residentBytes(afterRunning: "touch,touch,touch")
    #expect(touched - untouched > 12 * Self.mebibyte)
    #expect(touched - untouched < 17 * Self.mebibyte)
    #expect(again - touched < Self.mebibyte)
  }

  @Test("G21: a guest may destroy its ACPI tables: devices work on, and the next boot has new ones")
  func destroysItsTables() throws {
    let machine = try MicroVM(
      "run=tables,console mode=msix port=a wait=host send=boot echo=1 end=asked")
    let client = try machine.connect()
    for way in ["reset-cf9", "poweroff"] {
      #expect(client.line() == "boot")
      client.send(way + "\n")
      #expect(client.line() == "echo " + way)
    }
    #expect(machine.status() == 0)
    #expect(machine.lines.count { $0 == "overwrote 3 tables" } == 2)
  }

  @Test("G21: a guest that takes its page tables away ends by a triple fault")
  func destroysItsPageTables() throws {
    let machine = try MicroVM("run=hello end=unmap", options: ["--no-reboot"])
    #expect(machine.status() == 4)
    #expect(machine.directory.entries == [])
  }

  // MARK: G22: the log

  @Test("G22: a rule broken again and again fills no log")
  func logsLittle() throws {
    let start = monotonicSeconds()
    let machine = try MicroVM(
      "run=bad-chain breaks=40 mode=poll", options: ["--virtio-serial", "id=v,max-ports=2"])
    #expect(machine.status(seconds: 60) == 0)
    #expect(machine.lines.count { $0 == "needs reset" } == 40)
    let complaints = machine.process.errorOutput.split(separator: "\n")
    // Three a second are printed.
    let limit = 3 * (Int(monotonicSeconds() - start) + 2)
    #expect((1...limit).contains(complaints.count))
    #expect(complaints.allSatisfy { $0.contains("v needs a reset") })
  }
}
