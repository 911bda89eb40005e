import Glibc
import TestSupport
import Testing

/// Signals end a machine within a second whatever it is doing, and leave nothing behind.
@Suite(MicroVM.requirement)
struct SignalTests {
  private func expectEnd(
    of machine: MicroVM, by signal: Int32, keeping entries: [String] = [],
    _ location: SourceLocation = #_sourceLocation
  ) {
    let end = machine.process.end(by: signal)
    #expect(end.ending == .exited(128 + signal), sourceLocation: location)
    #expect(end.seconds < 1, sourceLocation: location)
    #expect(machine.directory.entries == entries, sourceLocation: location)
    let line = "swiftvm: ended by signal \(signal)\n"
    #expect(machine.process.errorOutput.hasSuffix(line), sourceLocation: location)
  }

  @Test(
    "G20, H18: each signal ends a guest that spins, sleeps for good, or meets one exception for ever",
    arguments: [SIGTERM, SIGINT, SIGHUP], ["spin", "halt", "undefined"])
  func endsByEachSignal(signal: Int32, state: String) throws {
    let machine = try MicroVM("run=hello end=\(state)")
    try machine.directory.makeFile("other")
    #expect(machine.says("done"))
    expectEnd(of: machine, by: signal, keeping: ["other"])
  }

  @Test func endsSeveralProcessors() throws {
    let machine = try MicroVM(
      "run=processors processors=4 end=spin", options: ["--cpus", "4"])
    #expect(machine.says("done"))
    expectEnd(of: machine, by: SIGTERM)
  }

  @Test("A client that does not read holds nothing up, and sees the end")
  func endsWithAClientThatDoesNotRead() throws {
    let machine = try MicroVM("run=flood mode=poll port=a wait=host")
    let client = try machine.connect()
    #expect(machine.says("flooding"))
    usleep(100_000)
    expectEnd(of: machine, by: SIGTERM)
    #expect(!client.rest().isEmpty)
  }

  @Test("A client that reads all the time holds nothing up either")
  func endsWithAClientThatReads() throws {
    let machine = try MicroVM("run=swamp mode=poll port=a wait=host end=spin")
    let client = try machine.connect()
    #expect(machine.says("done"))
    let reader = Reader(of: client.descriptor)
    #expect(waitUntil { reader.byteCount > 1 << 20 })
    expectEnd(of: machine, by: SIGTERM)
    reader.join()
  }

  @Test("A guest that prints without end holds nothing up")
  func endsWhileTheGuestPrints() throws {
    let machine = try MicroVM("run=chatter", options: ["--serial", "file=/dev/null"])
    let client = try machine.connect()
    #expect(waitUntil { ProcessStatus(of: machine.process.pid).residentBytes > 0 })
    usleep(300_000)
    expectEnd(of: machine, by: SIGTERM)
    client.close()
  }

  @Test("A start that is held up by a peer that does not answer is no hindrance")
  func endsWhileTheStartWaits() throws {
    let (listener, port) = Loopback.listen(backlog: 0)
    // Beyond those that wait already, the kernel answers no connection.
    let waiting = (1...3).map { _ in Loopback.connect(to: port, waits: false) }
    defer { for descriptor in [listener] + waiting { close(descriptor) } }
    let machine = try MicroVM(
      "run=hello end=halt",
      options: [
        "--virtconsole", "pty=link", "--virtserialport", "name=b,tcp-connect=127.0.0.1:\(port)",
      ])
    #expect(waitUntil { machine.directory.entries == ["a", "link"] })
    usleep(200_000)
    expectEnd(of: machine, by: SIGTERM)
    #expect(
      machine.process.errorOutput
        == "swiftvm: warning: the I/O thread does not answer; what it had left to do is not done\n"
        + "swiftvm: ended by signal 15\n")
  }

  @Test("--on-sigterm powerdown presses the guest's power button")
  func powersDown() throws {
    let machine = try MicroVM("run=button", options: ["--on-sigterm", "powerdown"])
    #expect(machine.says("waiting for the button"))
    #expect(machine.process.end(by: SIGTERM).ending == .exited(0))
    #expect(machine.says("pressed"))
    #expect(machine.process.errorOutput == "")
  }

  @Test(
    "A guest that does not heed its power button is ended in the time given, or by a second SIGTERM"
  )
  func powersDownInTime() throws {
    let options = ["--on-sigterm", "powerdown,1"]
    let patient = try MicroVM("run=hello end=spin", options: options)
    #expect(patient.says("done"))
    kill(patient.process.pid, SIGTERM)
    #expect(patient.process.waitForEnd(seconds: 0.5) == nil)
    #expect(patient.status() == 143)
    #expect(
      patient.process.errorOutput
        == "swiftvm: warning: the guest has not powered off in time after SIGTERM\n"
        + "swiftvm: ended by signal 15\n")
    let hasty = try MicroVM("run=hello end=spin", options: ["--on-sigterm", "powerdown"])
    #expect(hasty.says("done"))
    kill(hasty.process.pid, SIGTERM)
    #expect(hasty.process.waitForEnd(seconds: 0.5) == nil)
    expectEnd(of: hasty, by: SIGTERM)
  }

  @Test("A signal that comes while the machine is being made leaves no socket")
  func endsAtAnyTime() throws {
    for _ in 1...15 {
      let machine = try MicroVM("run=hello end=halt", ports: ["a", "b", "c", "d"])
      #expect(waitUntil { machine.directory.entries.contains("a") })
      let end = machine.process.end(by: SIGTERM)
      #expect(end.ending == .exited(143))
      #expect(machine.directory.entries == [])
    }
  }
}

/// Reads and drops what comes, on a thread of its own.
private final class Reader: Sendable {
  private let thread: pthread_t
  private let count: Counter

  init(of descriptor: Int32) {
    let counter = Counter()
    count = counter
    thread = startThread {
      var buffer = [UInt8](repeating: 0, count: 1 << 20)
      while case let bytes = read(descriptor, &buffer, buffer.count), bytes > 0 {
        counter.add(bytes)
      }
    }
  }

  var byteCount: Int { count.value }

  func join() { pthread_join(thread, nil) }
}
