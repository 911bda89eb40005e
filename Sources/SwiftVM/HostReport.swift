import Boot
import Host
import KVM

/// Whether this host can run guests, as `swiftvm check` tells it.
public struct HostReport: Equatable, Sendable {
  /// The answer in one word.
  public enum Verdict: Equatable, Sendable {
    /// Unmodified Linux kernels run.
    case canRunLinux
    /// KVM is there but cannot run a Linux kernel; small guests that avoid what it lacks do run.
    case smallGuestsOnly
    /// No guest runs at all.
    case unavailable

    fileprivate var sentence: String {
      switch self {
      case .canRunLinux: "This host can run Linux guests."
      case .smallGuestsOnly: "This host can run small guests only, not a Linux kernel."
      case .unavailable: "This host cannot run guests."
      }
    }
  }

  /// One thing that was looked at.
  public struct Finding: Equatable, Sendable {
    /// What was looked at, for example `/dev/kvm` or `KVM_CAP_IRQFD`.
    public var subject: String
    /// What was found, a few words.
    public var text: String
    /// Whether this is what keeps guests from running.
    public var isProblem: Bool

    /// Makes a finding of its parts.
    public init(subject: String, text: String, isProblem: Bool = false) {
      self.subject = subject
      self.text = text
      self.isProblem = isProblem
    }
  }

  /// The answer.
  public var verdict: Verdict

  /// What it rests on, in the order it was looked at.
  public var findings: [Finding]

  /// What to do where the verdict is not `canRunLinux`: one sentence, without a full stop.
  public var remedy: String?

  /// Makes a report of its parts.
  public init(verdict: Verdict, findings: [Finding], remedy: String? = nil) {
    self.verdict = verdict
    self.findings = findings
    self.remedy = remedy
  }

  /// The report as lines of plain text, each free of control characters.
  public var lines: [String] {
    let width = findings.map(\.subject.count).max() ?? 0
    var lines = findings.map { finding in
      let padding = String(repeating: " ", count: width - finding.subject.count)
      return (finding.isProblem ? "[!!] " : "[ok] ") + finding.subject + padding + "  "
        + finding.text
    }
    lines.append(verdict.sentence)
    if let remedy { lines.append("What to do: " + remedy + ".") }
    return lines.map(PlainText.escaped)
  }
}

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
    let required = Hypervisor.requiredCapabilities.map(\.1).joined(separator: ", ")
    return [
      .init(subject: "interface version", text: "12"),
      .init(subject: "capabilities", text: required),
      .init(subject: "virtual CPUs", text: "at most \(hypervisor.allowedCPUCount)"),
      .init(
        subject: "TSC-deadline timer",
        text: hypervisor.hasDeadlineTimer ? "there" : "missing (guests use others)"),
    ]
  }
}

extension Hypervisor {
  /// KVM, with as many processors as the machine is to have.
  static func open(
    for configuration: VirtualMachineConfiguration
  ) throws(ConfigurationError) -> Hypervisor {
    let hypervisor: Hypervisor
    do throws(HypervisorError) { hypervisor = try Hypervisor() } catch {
      throw ConfigurationError(.host, at: .root, .init(error.description))
    }
    let limit = hypervisor.allowedCPUCount
    guard configuration.cpuCount <= limit else {
      let who = limit < hypervisor.maximumVCPUCount ? "swiftvm" : "this host's KVM"
      throw ConfigurationError(
        .outOfRange, at: .root.cpuCount, given: String(configuration.cpuCount),
        "\(who) allows a machine \(limit) CPUs",
        "give at most \(PropertyPath.root.cpuCount, "\(limit)")")
    }
    return hypervisor
  }

  /// How many virtual CPUs a machine may have.
  var allowedCPUCount: Int { min(maximumVCPUCount, AddressMap.largestCPUCount) }
}
