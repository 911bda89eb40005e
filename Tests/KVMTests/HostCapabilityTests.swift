import KVM
import Testing

@Suite struct HostCapabilityTests {
  @Test func reportsAMissingDeviceWithARemedy() {
    guard case .unavailable(let reason) = HostCapability.probe(path: "/nonexistent/kvm") else {
      Issue.record("a missing device was not noticed")
      return
    }
    #expect(reason.contains("/nonexistent/kvm is missing"))
    #expect(reason.contains("kvm_intel"))
  }

  @Test func reportsAnotherDeviceAsNotKVM() {
    #expect(
      HostCapability.probe(path: "/dev/null")
        == .unavailable(
          reason: HypervisorError.notKVM(path: "/dev/null").description))
  }
}

/// What this host's own device can do; the verdict must agree with its instructions.
@Suite(.serialized, .enabled(if: KVMHost.isAvailable, Comment(rawValue: KVMHost.requirement)))
struct HostCapabilityProbeTests {
  @Test func verdictAgreesWithTheInstructionItNames() throws {
    let guest = try TinyGuest([
      0x31, 0xc0, 0x31, 0xd2,  // xor %eax, %eax; xor %edx, %edx
      0xbf, 0x00, 0x00, 0x10, 0x00,  // mov $data, %edi
      0xf0, 0x48, 0x0f, 0xc7, 0x0f,  // lock cmpxchg16b (%rdi)
      0xf4,  // hlt
    ])
    let end = try #require(try guest.run())
    switch (HostCapability.probe(), end) {
    case (.full, .halted): break
    case (.smallGuestsOnly(let reason), .internalError(let report)):
      #expect(report.interpreterLimit == "cmpxchg16b")
      #expect(reason.contains("cmpxchg16b"))
      #expect(report.description.contains("this /dev/kvm cannot run this kernel"))
    case (let verdict, let end): Issue.record("\(verdict), but the guest: \(end)")
    }
  }
}
