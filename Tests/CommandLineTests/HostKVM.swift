import Glibc
import TestSupport
import Testing

/// What this host lets tests do with /dev/kvm.
enum HostKVM {
  /// For tests of mistakes that show only once KVM is open.
  static let requirement = ConditionTrait.enabled(
    if: access("/dev/kvm", R_OK | W_OK) == 0, "skipped: there is no /dev/kvm to open")

  /// For tests that need a guest that runs, too.
  static let guestRequirement = ConditionTrait.enabled(
    if: Checkout.microGuestObstacle == nil, "skipped: run guest-images/micro/build.sh first")

  /// Words that run a program where the commands have changed what /dev holds, for it alone.
  static func launcher(changingDevices commands: String) -> [String] {
    ["/usr/bin/unshare", "-m", "/bin/sh", "-c", commands + " && exec \"$@\"", "sh"]
  }

  /// Words that run a program as a user who may do nothing.
  static let ordinaryUser = [
    "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--",
  ]

  /// Whether the executable, or another command, runs and succeeds by such words here.
  static func canLaunch(_ launcher: [String], _ command: [String]? = nil) -> Bool {
    guard let program = launcher.first, access(program, X_OK) == 0,
      let command = try? command ?? [Checkout.executable(), "--version"]
    else { return false }
    let words = (launcher + command).map { "'\($0)'" }.joined(separator: " ")
    return system("exec >/dev/null 2>&1; " + words) == 0
  }
}
