import Host

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
