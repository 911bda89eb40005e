import Glibc
import TestSupport

/// What the tests run with, and whether they can run here.
enum LinuxHost {
  /// `SWIFTVM_EXECUTABLE`, or the release build's.
  static let executable: String = {
    if let path = getenv("SWIFTVM_EXECUTABLE") { return String(cString: path) }
    return Checkout.root + "/.build/release/swiftvm"
  }()

  /// Why no test can run here, printed once; nil where they can.
  static let obstacle: String? = {
    let obstacle = findObstacle()
    if let obstacle { print("Linux tests: skipped: \(obstacle)") }
    return obstacle
  }()

  static var canRun: Bool { obstacle == nil }

  private static func findObstacle() -> String? {
    guard access(executable, X_OK) == 0 else {
      return "there is no \(executable); run: make release"
    }
    guard
      ["vmlinux", "vmlinuz", "initramfs.cpio"].allSatisfy({
        File.exists(Checkout.guestImages + "/" + $0)
      })
    else { return "there is no guest image in \(Checkout.guestImages); run: make guest-images" }
    do {
      let check = try RunningProgram([executable, "check", "--quiet"])
      return check.waitForEnd(seconds: 60) == .exited(0)
        ? nil : "this host's /dev/kvm cannot run Linux (see: swiftvm check)"
    } catch {
      return "\(error)"
    }
  }
}
