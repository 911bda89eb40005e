import SwiftVM
import Testing

@Suite
struct HostReportTests {
  @Test func alignsItsFindings() {
    let report = HostReport(
      verdict: .canRunLinux,
      findings: [
        HostReport.Finding(subject: "/dev/kvm", text: "present"),
        HostReport.Finding(subject: "API", text: "version 12"),
      ])
    #expect(
      report.lines == [
        "[ok] /dev/kvm  present",
        "[ok] API       version 12",
        "This host can run Linux guests.",
      ])
  }

  @Test func tellsTheRemedy() {
    let report = HostReport(
      verdict: .unavailable,
      findings: [
        HostReport.Finding(subject: "/dev/kvm", text: "no permission", isProblem: true)
      ],
      remedy: "join the group kvm")
    #expect(
      report.lines == [
        "[!!] /dev/kvm  no permission",
        "This host cannot run guests.",
        "What to do: join the group kvm.",
      ])
  }

  @Test func namesALimitedHost() {
    let report = HostReport(verdict: .smallGuestsOnly, findings: [])
    #expect(report.lines == ["This host can run small guests only, not a Linux kernel."])
  }

  @Test func keepsEveryLineOne() {
    let report = HostReport(
      verdict: .unavailable, findings: [HostReport.Finding(subject: "a", text: "b\nc\u{1b}")])
    #expect(report.lines.first == "[ok] a  b\\nc\\x1b")
  }
}
