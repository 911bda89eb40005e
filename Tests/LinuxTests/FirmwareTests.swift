import Testing

extension StockGuestTests {
  /// What a kernel says of the machine's firmware.
  @Suite struct FirmwareTests {
    @Test func kernelKnowsTheMachineAndItsStrings() throws {
      let guest = try Guest(
        Guest.Options(
          arguments: [
            "-smbios", "type=11,value=io.systemd.credential:test=a,,b", "-smbios",
            "type=11,value=second",
          ]))
      try guest.awaitAgent()
      let agent = try guest.agent
      // As every oops has it.
      #expect(
        try agent.run("dmesg").contains(
          /DMI: swiftvm virtual machine, BIOS \d+\.\d+\.\d+ 01\/01\/2026/))
      #expect(try agent.run("cat /sys/class/dmi/id/sys_vendor") == "swiftvm")
      #expect(try agent.run("cat /sys/class/dmi/id/product_name") == "virtual machine")
      let strings = try agent.run("tr '\\0' '\\n' </sys/firmware/dmi/tables/DMI").split(
        separator: "\n")
      #expect(strings.contains { $0.hasSuffix("io.systemd.credential:test=a,b") })
      #expect(strings.contains("second"))
      #expect(try guest.powerOff() == .exited(0))
    }

    @Test("No error of ACPI, and no line for each slot unless a control socket may plug devices in")
    func kernelHasNothingToComplainOf() throws {
      for hasControl in [false, true] {
        let guest = try Guest(Guest.Options(hasControl: hasControl))
        try guest.awaitAgent()
        let lines = try guest.agent.run("dmesg").split(separator: "\n")
        #expect(lines.filter { $0.contains("AE_") || $0.contains("ACPI Error") } == [])
        #expect(
          lines.contains { $0.contains("_OSC: OS now controls [PME AER PCIeCapability LTR]") })
        #expect(lines.count { $0.contains("acpiphp: Slot [") } == (hasControl ? 31 : 0))
        #expect(try guest.powerOff() == .exited(0))
      }
    }
  }
}
