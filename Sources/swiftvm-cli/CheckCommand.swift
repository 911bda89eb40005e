import SwiftVM

/// `swiftvm check`: whether this host can run guests.
enum CheckCommand {
  /// Looks at the host and prints the report, unless only the exit status is wanted.
  static func perform(isQuiet: Bool) -> ExitStatus {
    let report = hostReport()
    if !isQuiet {
      let text = report.lines.map { $0 + "\n" }.joined()
      guard StandardStream.output.write(text) else { return .hostFailure }
    }
    return ExitStatus(report.verdict)
  }

  // TO BE LINKED: ask KVM.
  private static func hostReport() -> HostReport {
    HostReport(
      verdict: .unavailable,
      findings: [
        HostReport.Finding(
          subject: "KVM", text: "the machine is not linked into this build", isProblem: true)
      ])
  }
}

extension ExitStatus {
  /// The status of `swiftvm check` for this verdict.
  package init(_ verdict: HostReport.Verdict) {
    self =
      switch verdict {
      case .canRunLinux: .success
      case .smallGuestsOnly, .unavailable: .hostFailure
      }
  }
}
