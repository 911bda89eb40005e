import Glibc
import TestSupport
import Testing

/// Machines with a name, and how the verbs find them.
@Suite(MicroVM.requirement)
struct NamedMachineTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Starts a machine with this name, and a port of that name, too.
  private func start(_ name: String, socket: String? = nil) throws -> RunningProgram {
    let words = [
      "run", "--kernel", Checkout.microGuest, "--memory", "16M", "--append", "run=hello end=spin",
      "--name", name, "--virtserialport", "name=\(name),socket=\(socket ?? name)",
    ]
    return try RunningProgram(
      swiftvm: words, in: directory, environment: ["XDG_RUNTIME_DIR=" + directory.path])
  }

  private func list() throws -> (status: Int32?, output: String) {
    try verb("list", in: directory, control: false)
  }

  @Test("A machine with a name is found by it, and by nothing where it is alone")
  func findsAMachineByItsName() throws {
    let none = try verb("ports", in: directory, control: false)
    #expect(none.status == 1)
    #expect(none.output.contains("no machine is running that was started with --name"))
    let machine = try start("vm1")
    #expect(try waitUntil { try list() == (0, "vm1\n") })
    #expect(try verb("ports", "--vm", "vm1", in: directory, control: false).status == 0)
    #expect(try verb("ports", in: directory, control: false).status == 0)
    let other = try verb("ports", "--vm", "vm2", in: directory, control: false)
    #expect(other == (1, "swiftvm: ports: no machine named 'vm2' is running; see swiftvm list\n"))
    let late = try verb("wait-open", "vm1", "--timeout", "0", in: directory, control: false)
    #expect(
      late == (
        1, "swiftvm: wait-open: the guest has not opened port 'vm1' within the timeout\n"
      ))
    #expect(try verb("stop", in: directory, control: false) == (0, ""))
    #expect(machine.waitForEnd(seconds: 30) == .exited(6))
    #expect(try list() == (0, ""))
  }

  @Test func asksWhichOfTwoMachines() throws {
    let machines = try ["vm1", "vm2"].map { try start($0) }
    #expect(try waitUntil { try list() == (0, "vm1\nvm2\n") })
    let unclear = try verb("ports", in: directory, control: false)
    #expect(
      unclear == (
        1, "swiftvm: ports: 2 machines are running; give --vm NAME, see swiftvm list\n"
      ))
    #expect(try verb("stop", "--vm", "vm1", in: directory, control: false) == (0, ""))
    #expect(machines[0].waitForEnd(seconds: 30) == .exited(6))
    #expect(try list() == (0, "vm2\n"))
  }

  @Test("A namesake stops no machine, however busy it is")
  func warnsOfANamesake() throws {
    let first = try start("vm1")
    #expect(try waitUntil { try list() == (0, "vm1\n") })
    let socket = "swiftvm/vm1.sock"
    let clients = try (1...16).map { _ in try QMPClient(directory[socket]) }
    try expectWarning()
    // It is listed all the same.
    #expect(try list() == (0, "vm1\n"))
    withExtendedLifetime(clients) {}
    kill(first.pid, SIGSTOP)
    try expectWarning()
    #expect(try list() == (0, "vm1\n"))
  }

  private func expectWarning() throws {
    let second = try start("vm1", socket: "second")
    #expect(second.waitForLine("done", seconds: 10))
    #expect(
      second.errorOutput
        == "swiftvm: warning: swiftvm ports and its like cannot find 'vm1': a machine of this name"
        + " is running already; use --qmp PATH\n")
    #expect(second.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("What a killed machine has left is not listed, and is replaced")
  func replacesAStaleSocket() throws {
    let first = try start("vm1")
    #expect(try waitUntil { try list() == (0, "vm1\n") })
    #expect(first.end(by: SIGKILL).ending == .killed(SIGKILL))
    #expect(directory.entries.contains("swiftvm"))
    #expect(access(directory["swiftvm/vm1.sock"], F_OK) == 0)
    #expect(try list() == (0, ""))
    let second = try start("vm1")
    #expect(second.waitForLine("done"))
    #expect(try list() == (0, "vm1\n"))
    #expect(second.errorOutput == "")
  }
}
