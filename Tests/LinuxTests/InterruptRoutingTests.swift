import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// Kernels that do not use ACPI, its routing of interrupts, or an APIC.
  @Suite struct InterruptRoutingTests {
    /// How a kernel is started, and what it must show then.
    struct Kernel: CustomTestStringConvertible {
      /// Words for its command line.
      let words: String
      /// The interrupt controller that brings the ports' interrupts.
      let controller: String
      /// How many of two processors it uses.
      let processors: Int
      /// Whether it can power the machine off.
      let hasACPI: Bool
      /// Whether it is the kernel that reads the MP table.
      let readsMPTable: Bool

      init(
        _ words: String, _ controller: String, processors: Int = 2, hasACPI: Bool = true,
        readsMPTable: Bool = false
      ) {
        self.words = words
        self.controller = controller
        self.processors = processors
        self.hasACPI = hasACPI
        self.readsMPTable = readsMPTable
      }

      var testDescription: String { words + (readsMPTable ? ", MP table" : "") }
    }

    /// With devices enough to share each of PCI's interrupts.
    private static let devices = (1...5).map { Guest.Device(id: "d\($0)", ports: ["d\($0).port"]) }

    @Test(arguments: [
      Kernel("acpi=off", "XT-PIC", processors: 1, hasACPI: false),
      Kernel("acpi=noirq", "XT-PIC", processors: 1),
      Kernel("pci=noacpi", "XT-PIC", processors: 1),
      Kernel("nolapic", "XT-PIC", processors: 1),
      Kernel("noapic pci=nomsi", "XT-PIC"),
      Kernel("acpi=off", "PCI-MSI", hasACPI: false, readsMPTable: true),
      Kernel("acpi=off pci=nomsi", "IO-APIC", hasACPI: false, readsMPTable: true),
      Kernel("acpi=noirq pci=nomsi", "IO-APIC", readsMPTable: true),
    ])
    func portsWork(kernel: Kernel) throws {
      var options = Guest.Options(
        devices: Self.devices, append: "quiet " + kernel.words, arguments: ["--cpus", "2"])
      options.isGeneric = kernel.readsMPTable
      // Linux 6.1 does so where a driver asks for MSI-X and there is no APIC.
      options.mayWarn = kernel.controller == "XT-PIC" && !kernel.words.contains("nomsi")
      let guest = try Guest(options)
      try guest.awaitAgent()
      try check(guest, kernel)
      try guest.expectRestart { try guest.agent.say("reboot -f") }
      try check(guest, kernel)
      guard !kernel.hasACPI else { return #expect(try guest.powerOff() == .exited(0)) }
      // Without ACPI nothing tells Linux how to power off: it halts.
      try guest.agent.say("poweroff -f")
      try Deadline(seconds: 60).wait(
        until: { guest.console.contains("reboot: System halted") }, "the guest to halt")
      guest.process.signal(SIGTERM)
      #expect(try guest.awaitEnd(seconds: 30) == .exited(128 + SIGTERM))
    }

    private func check(_ guest: Guest, _ kernel: Kernel) throws {
      try guest.checkEchoes(Self.devices.flatMap(\.ports))
      #expect(try guest.agent.run("nproc") == "\(kernel.processors)")
      let lines = try guest.agent.run("grep virtio /proc/interrupts").split(separator: "\n")
      #expect(!lines.isEmpty && lines.allSatisfy { $0.contains(kernel.controller) }, "\(lines)")
    }
  }
}
