import SwiftVM

/// `swiftvm check`: whether this host can run guests.
enum CheckCommand {
  /// Looks at the host and prints the report, unless only the exit status is wanted.
  static func perform(isQuiet: Bool) -> ExitStatus {
    let report = HostReport.ofThisHost()
    if !isQuiet {
      let text = report.lines.map { $0 + "\n" }.joined()
      guard StandardOutput.write(text) else { return .hostFailure }
    }
    return ExitStatus(report.verdict)
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
