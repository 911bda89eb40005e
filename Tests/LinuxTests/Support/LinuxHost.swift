import Glibc

/// What the tests run with, and whether they can run here.
enum LinuxHost {
  /// The package's directory: the one above the test bundle that has the manifest.
  static let packageRoot: String? = {
    guard let bundle = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(bundle) }
    var components = String(cString: bundle).split(separator: "/")
    while !components.isEmpty {
      components.removeLast()
      let directory = "/" + components.joined(separator: "/")
      if File.exists(directory + "/Package.swift") { return directory }
    }
    return nil
  }()

  /// `SWIFTVM_EXECUTABLE`, or the release build's.
  static let executable: String = {
    if let path = getenv("SWIFTVM_EXECUTABLE") { return String(cString: path) }
    return (packageRoot ?? "") + "/.build/release/swiftvm"
  }()

  static let image = (packageRoot ?? "") + "/guest-images/build"

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
    guard ["vmlinux", "vmlinuz", "initramfs.cpio"].allSatisfy({ File.exists(image + "/" + $0) })
    else { return "there is no guest image in \(image); run: make guest-images" }
    do {
      let process = try ChildProcess(
        [executable, "check", "--quiet"], streams: .files(output: "/dev/null", error: "/dev/null"))
      return try process.wait(seconds: 60) == .exit(0)
        ? nil : "this host's /dev/kvm cannot run Linux (see: swiftvm check)"
    } catch {
      return "\(error)"
    }
  }
}
