import TestSupport
import Testing

/// What the status and standard error tell of a kernel that has broken down.
@Suite(MicroVM.requirement)
struct PanicTests {
  private static let panicked = "swiftvm: the guest panicked\n"

  @Test(
    "A panic that the serial console tells of is status 7, whatever the guest does then",
    arguments: ["poweroff", "reset-cf9", "reset-i8042", "triple-fault", "halt"])
  func readsTheSerialConsole(end: String) throws {
    let machine = try MicroVM("run=say say=panic end=\(end)", options: ["--no-reboot"])
    #expect(machine.status() == 7)
    #expect(machine.process.errorOutput == Self.panicked)
    #expect(machine.lines.last == "done")
  }

  @Test("A panic that a virtconsole tells of is status 7, wherever its text is cut")
  func readsVirtconsoles() throws {
    let machine = try MicroVM(
      "run=console mode=msix say=panic end=reset-cf9", ports: [],
      options: ["--no-reboot", "--virtconsole", "file=log"])
    #expect(machine.status() == 7)
    #expect(machine.process.errorOutput == Self.panicked)
    #expect(
      machine.directory.text(of: "log")
        == "[    1.234567] Kernel panic - not syncing: sysrq triggered crash\n")
  }

  @Test("A guest that ends after an oops has status 10", arguments: ["poweroff", "reset-cf9"])
  func readsOopses(end: String) throws {
    let machine = try MicroVM("run=say say=oops end=\(end)", options: ["--no-reboot"])
    #expect(machine.status() == 10)
    #expect(
      machine.process.errorOutput
        == "swiftvm: the guest's kernel had an oops before the guest ended\n"
    )
  }

  @Test("What only begins like a panic or an oops is none")
  func readsNothingElse() throws {
    let machine = try MicroVM(
      "run=say,console mode=msix say=nothing", ports: [], options: ["--virtconsole", "null"])
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
  }

  @Test("The panic of a guest that has booted again since is forgotten")
  func forgetsEarlierLives() throws {
    let machine = try MicroVM("run=console mode=msix port=a wait=host send=boot echo=2 end=asked")
    let client = try machine.connect()
    #expect(client.line() == "boot")
    // The guest repeats on its serial console what it is sent.
    client.send("Kernel panic - not syncing\nreset-cf9\n")
    #expect(machine.says("line Kernel panic - not syncing"))
    while let line = client.line(), line != "boot" {}
    client.send("fine\npoweroff\n")
    #expect(machine.status() == 0)
  }

  @Test("A panic that pvpanic tells of is status 7, even if the guest powers off then")
  func remembersPanics() throws {
    let machine = try MicroVM(
      "run=hello end=panic", ports: [], options: ["-device", "pvpanic"])
    #expect(machine.status() == 7)
    #expect(
      machine.process.errorOutput
        == "swiftvm: the guest panicked, and decides itself what comes next\n" + Self.panicked)
  }

  @Test(
    "panic=shutdown ends the machine with the guest, or once it has said all",
    arguments: ["", "then=talk", "then=halt"])
  func keepsTheLastWords(then: String) throws {
    let machine = try MicroVM(
      "run=hello end=panic \(then)", ports: [],
      options: ["-device", "pvpanic", "-action", "panic=shutdown"])
    #expect(machine.status() == 7)
    #expect(machine.process.errorOutput == Self.panicked)
    if then == "then=talk" { #expect(machine.lines.last == "last words 100") }
  }

  @Test(
    "A panic action without a device that tells of panics is told of",
    arguments: ["pause", "shutdown"])
  func warnsWithoutADevice(action: String) throws {
    let machine = try MicroVM("run=hello", options: ["-action", "panic=\(action)"])
    #expect(machine.status() == 0)
    #expect(
      machine.process.errorOutput
        == "swiftvm: warning: -action panic= is without a device that tells of panics: add -device pvpanic\n"
    )
  }
}
