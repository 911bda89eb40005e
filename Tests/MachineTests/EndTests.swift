import Glibc
import TestSupport
import Testing

/// Every way a machine ends, and its status.
@Suite(MicroVM.requirement)
struct EndTests {
  @Test func powersOff() throws {
    let machine = try MicroVM("run=hello")
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
    #expect(machine.directory.entries == [])
  }

  @Test(arguments: ["reset-i8042", "reset-cf9"])
  func endsOnResetWhenToldTo(way: String) throws {
    let machine = try MicroVM("run=hello end=\(way)", options: ["--no-reboot"])
    #expect(machine.status() == 3)
    #expect(machine.process.errorOutput == "swiftvm: the guest reset itself\n")
    #expect(machine.lines.count { $0.hasPrefix("hello") } == 1)
    #expect(machine.directory.entries == [])
  }

  @Test(
    "Code that enters the BIOS in real mode, as Linux does with reboot=bios, resets the machine")
  func endsOnEntryToTheBIOS() throws {
    let machine = try MicroVM("run=hello end=bios", options: ["--no-reboot", "--cpus", "2"])
    #expect(machine.status() == 3)
    #expect(machine.process.errorOutput == "swiftvm: the guest reset itself\n")
  }

  @Test func endsOnTripleFaultWhenToldTo() throws {
    let machine = try MicroVM("run=hello end=triple-fault", options: ["--no-reboot"])
    #expect(machine.status() == 4)
    #expect(machine.lines.count { $0.hasPrefix("hello") } == 1)
    #expect(machine.directory.entries == [])
  }

  @Test("Three triple faults in a row, each soon after the boot, are no reboot")
  func endsOnRepeatedTripleFaults() throws {
    let machine = try MicroVM("run=hello end=triple-fault")
    #expect(machine.status() == 4)
    #expect(machine.lines.count { $0.hasPrefix("hello") } == 3)
    #expect(
      machine.process.errorOutput.hasSuffix(
        "swiftvm: the guest's CPU shut down on a triple fault\n"))
    #expect(machine.directory.entries == [])
  }

  @Test(
    "The guest boots again, on whatever way it takes, and the client stays connected",
    arguments: ["reset-i8042", "reset-cf9", "triple-fault"])
  func boots(way: String) throws {
    let machine = try MicroVM("run=console mode=msix port=a wait=host send=boot echo=1 end=asked")
    let client = try machine.connect()
    for _ in 1...2 {
      #expect(client.line() == "boot")
      client.send(way + "\n")
      #expect(client.line() == "echo " + way)
    }
    #expect(client.line() == "boot")
    client.send("poweroff\n")
    #expect(client.line() == "echo poweroff")
    #expect(machine.status() == 0)
    #expect(client.isAtEnd)
  }

  @Test("What KVM cannot do is told with all that helps to find out")
  func reportsInternalErrors() throws {
    let machine = try MicroVM("run=internal-error at=0x200000")
    let status = machine.status()
    // With hardware virtualization the instruction simply runs.
    if status == 0 { return }
    #expect(status == 5)
    let report = machine.process.errorOutput
    #expect(report.hasPrefix("swiftvm: this /dev/kvm cannot run this kernel: "))
    #expect(report.contains("cmpxchg16b"))
    #expect(report.contains("KVM internal error 1 (instruction emulation failed) at rip 0x1"))
    #expect(report.contains("instruction bytes: f0 48 0f c7 0f "))
    #expect(machine.directory.entries == [])
  }

  @Test("What the guest sent just before it powered off reaches a client that is slow to read")
  func lingersForSlowClients() throws {
    let count = 600_000
    let machine = try MicroVM("run=flood mode=poll port=a wait=host bytes=\(count)")
    let client = try machine.connect()
    #expect(machine.says("flooding"))
    // Reading begins only when the guest has handed over all it can and waits.
    usleep(200_000)
    let bytes = client.rest()
    #expect(bytes.count == count)
    #expect(bytes.enumerated().allSatisfy { $1 == UInt8(97 + $0 / 256 % 26) })
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
  }

  @Test(
    "A client that takes nothing of the last bytes delays the end for some seconds only, and the status tells of the loss",
    arguments: [nil, 1])
  func lingersNotForEver(limit: Int?) throws {
    let machine = try MicroVM(
      "run=swamp mode=poll port=a wait=host",
      options: limit.map { ["--linger", "\($0)"] } ?? [])
    let client = try machine.connect()
    #expect(machine.says("done"))
    let start = monotonicSeconds()
    #expect(machine.status() == 12)
    #expect(monotonicSeconds() - start < Double(limit ?? 10) + 3)
    #expect(machine.process.errorOutput.contains("the rest is lost"))
    #expect(machine.process.errorOutput.hasSuffix("is lost: its reader was too slow\n"))
    client.close()
  }

  @Test("The end waits for a slow reader of the console for as long as it reads")
  func lingersForAReaderThatReads() throws {
    let directory = try TemporaryDirectory()
    let descriptor = open(try directory.makePipe("pipe"), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    defer { close(descriptor) }
    let setPipeSize: Int32 = 1031  // F_SETPIPE_SZ, which Swift does not import
    #expect(fcntl(descriptor, setPipeSize, 4096) == 4096)
    let machine = try MicroVM(
      "run=chatter lines=640", options: ["--serial", "file=pipe"], in: directory)
    var total = 0
    var buffer = [UInt8](repeating: 0, count: 4096)
    // Longer in all than it would wait for one that does not read.
    #expect(
      waitUntil(seconds: 60) {
        usleep(1_200_000)
        let count = read(descriptor, &buffer, buffer.count)
        total += max(0, count)
        return count == 0
      })
    #expect(total > 640 * 64)
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
  }

  @Test("A signal ends the wait for a client")
  func lingersNotThroughSignals() throws {
    let machine = try MicroVM("run=swamp mode=poll port=a wait=host")
    let client = try machine.connect()
    #expect(machine.says("done"))
    let end = machine.process.end(by: SIGTERM)
    #expect(end.ending == .exited(12) || end.ending == .exited(143))
    #expect(end.seconds < 1)
    client.close()
  }

  @Test("What the guest printed last reaches a slow reader of the console's pipe")
  func lingersForTheConsole() throws {
    let directory = try TemporaryDirectory()
    let descriptor = open(try directory.makePipe("pipe"), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    defer { close(descriptor) }
    let setPipeSize: Int32 = 1031  // F_SETPIPE_SZ, which Swift does not import
    #expect(fcntl(descriptor, setPipeSize, 4096) == 4096)
    let machine = try MicroVM(
      "run=chatter,console lines=640 mode=poll port=a wait=host send=over",
      options: ["--serial", "file=pipe"], in: directory)
    let client = try machine.connect()
    #expect((0..<5).contains { _ in client.line() == "over" })
    #expect(machine.process.waitForEnd(seconds: 0.5) == nil)
    var total = 0
    var buffer = [UInt8](repeating: 0, count: 4096)
    #expect(
      waitUntil(seconds: 60) {
        let count = read(descriptor, &buffer, buffer.count)
        total += max(0, count)
        return count == 0
      })
    #expect(total > 640 * 64)
    #expect(machine.status() == 0)
  }
}
