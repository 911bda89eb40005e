import TestSupport

/// The guest images with Debian's programs, and their counterparts for the host
/// (guest-images/agents).
enum ProgramImage {
  static let directory = Checkout.guestImages + "/agents"
  static let initramfs = directory + "/agents.cpio"
  /// guestfish with the executable for a hypervisor.
  static let guestfish =
    "SWIFTVM='\(LinuxHost.executable)' '\(Checkout.root)/guest-images/agents/guestfish'"
  static let examples = Checkout.root + "/guest-images/examples"

  /// Why no test can use it; nil where they can.
  static let obstacle: String? =
    File.exists(directory + "/guestfs.cpio")
    ? nil : "there are no images in \(directory); run: make agents"
}
