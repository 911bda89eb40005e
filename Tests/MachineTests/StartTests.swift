import Glibc
import TestSupport
import Testing

/// How a machine comes up, and how it rests.
@Suite(MicroVM.requirement)
struct StartTests {
  @Test("Every milestone once, in order, on standard error")
  func tellsTimings() throws {
    let machine = try MicroVM("run=hello", options: ["--timings"])
    #expect(machine.status() == 0)
    let lines = machine.process.errorOutput.split(separator: "\n").map(String.init)
    #expect(lines.allSatisfy { $0.hasPrefix("timing: ") })
    let names = lines.map { line in
      line.split(separator: " ").drop { $0 != "ms" }.dropFirst().joined(separator: " ")
    }
    #expect(
      names == [
        "/dev/kvm opened", "files and sockets opened", "KVM machine created",
        "kernel and initrd loaded", "devices made", "vCPUs made", "first KVM_RUN", "end",
      ])
    let times = lines.compactMap { line in
      line.split(separator: " ").dropFirst().first.flatMap { Double($0) }
    }
    #expect(times.count == names.count)
    #expect(times == times.sorted())
    #expect(times[0] >= 0)
  }

  @Test("A machine whose guest sleeps and whose clients say nothing never wakes up")
  func sleeps() throws {
    let machine = try MicroVM("run=console mode=msix port=a wait=host end=halt")
    let client = try machine.connect()
    #expect(machine.says("done"))
    let status = ProcessStatus(of: machine.process.pid)
    // The last of the work that follows the guest's last line, what is done half a second after the
    // start, and the one look at a guest that says nothing.
    usleep(1_500_000)
    #expect(waitUntil { status.mainThreadState == "S" })
    let before = status.mainThreadSleeps
    #expect(before > 0)
    usleep(2_000_000)
    #expect(status.mainThreadSleeps == before)
    client.close()
    #expect(waitUntil { status.mainThreadSleeps > before })
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }
}
