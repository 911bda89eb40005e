import Glibc
import SwiftVM
import TestSupport
import Testing

/// QEMU's commands as users have them, run unchanged.
@Suite(MicroVM.requirement)
struct QEMUCommandTests {
  private func run(_ commandLine: String, _ options: [String]) throws -> MicroVM {
    try MicroVM(commandLine, ports: [], options: options)
  }

  @Test func runsTheUsualCommands() throws {
    let machine = try run(
      "run=console mode=msix port=org.fedoraproject.port.0 wait=host send=hello echo=1",
      [
        "-chardev", "socket,path=port0,server,nowait,id=port0-char", "-device", "virtio-serial",
        "-device", "virtserialport,id=port1,name=org.fedoraproject.port.0,chardev=port0-char",
      ])
    let client = try machine.connect("port0")
    #expect(client.line() == "hello")
    client.send("x\n")
    #expect(client.line() == "echo x")
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
    #expect(machine.directory.entries == [])
  }

  @Test("A device is in the slot asked for: the other one, which takes the first, comes before it")
  func placesDevicesInSlots() throws {
    let machine = try run(
      "run=console mode=intx device=1 port=a wait=host send=hello",
      [
        "-device", "virtio-serial-pci,id=vs0,addr=0x1f", "-device", "virtio-serial-pci,id=vs1",
        "-chardev", "socket,path=a,server=on,wait=off,id=c", "-device",
        "virtserialport,bus=vs0.0,nr=1,name=a,chardev=c",
      ])
    #expect(try machine.connect().line() == "hello")
    #expect(machine.status() == 0)
  }

  @Test(
    "The guest's status, with a line where it may mean something else",
    arguments: [(0, 1), (1, 3), (2, 5), (3, 7), (16, 33), (0x7f, 255)])
  func endsWithTheGuestsStatus(value: Int, status: Int32) throws {
    let machine = try run(
      "run=hello end=debug-exit port=0xf4 status=\(value)",
      ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
    #expect(machine.status() == status)
    #expect(
      machine.process.errorOutput
        == (status == 33
          ? ""
          : "swiftvm: the guest wrote \(value) to isa-debug-exit, which makes status \(status)\n"))
  }

  @Test func pausesOnPanicWhenToldTo() throws {
    let machine = try run(
      "run=hello end=panic then=halt", ["-device", "pvpanic", "-action", "panic=pause"])
    let line = "swiftvm: the guest panicked, and is paused\n"
    #expect(waitUntil { machine.process.errorOutput == line })
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
    #expect(machine.lines.last == "done")
  }

  @Test("-S: the guest waits to be told to begin")
  func startsPaused() throws {
    let directory = try TemporaryDirectory()
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(kernelPath: Checkout.microGuest, commandLine: "run=hello"),
      memorySize: 16 << 20,
      serialPort: SerialPortConfiguration(attachment: .file(path: directory["log"])))
    configuration.startsPaused = true
    let machine = try VirtualMachine(configuration)
    #expect(machine.isPaused)
    machine.resume()
    #expect(try machine.run() == .poweredOff)
    #expect(directory.text(of: "log").contains("done"))
  }
}
