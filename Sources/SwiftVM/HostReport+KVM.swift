import KVM

extension HostReport {
  /// Asks this host's KVM what it can do, by running a few instructions on it.
  public static func ofThisHost() -> HostReport {
    switch HostCapability.probe() {
    case .full:
      HostReport(
        verdict: .canRunLinux,
        findings: [.init(subject: "/dev/kvm", text: "there, usable, and runs kernel code")]
          + capabilityFindings())
    case .smallGuestsOnly(let reason):
      HostReport(
        verdict: .smallGuestsOnly,
        findings: [
          .init(subject: "/dev/kvm", text: "there and usable"),
          .init(subject: "kernel code", text: reason, isProblem: true),
        ] + capabilityFindings(),
        remedy: "use a host with hardware virtualization (Intel VT-x or AMD-V); on a cloud "
          + "machine, one with nested virtualization")
    case .unavailable(let reason):
      HostReport(
        verdict: .unavailable,
        findings: [.init(subject: "/dev/kvm", text: reason, isProblem: true)],
        remedy: "make /dev/kvm usable as said above, then run swiftvm check again")
    }
  }

  private static func capabilityFindings() -> [Finding] {
    guard let hypervisor = try? Hypervisor() else { return [] }
    let required = Capability.required.map { $0.name }.joined(separator: ", ")
    let deadline = hypervisor.value(of: .tscDeadlineTimer) > 0
    return [
      .init(subject: "interface version", text: "12"),
      .init(subject: "capabilities", text: required),
      .init(subject: "virtual CPUs", text: "at most \(hypervisor.allowedCPUCount)"),
      .init(
        subject: "TSC-deadline timer", text: deadline ? "there" : "missing (guests use others)"),
    ]
  }
}
