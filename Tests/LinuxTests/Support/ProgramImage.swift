/// The guest image with Debian's programs, and their counterparts for the host
/// (guest-images/agents).
enum ProgramImage {
  static let directory = LinuxHost.image + "/agents"
  static let initramfs = directory + "/agents.cpio"
  static let examples = (LinuxHost.packageRoot ?? "") + "/guest-images/examples"

  /// Why no test can use it; nil where they can.
  static let obstacle: String? =
    File.exists(initramfs) ? nil : "there is no \(initramfs); run: make agents"
}
