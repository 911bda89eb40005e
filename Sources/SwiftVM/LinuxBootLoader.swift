/// Starts a Linux kernel directly, without firmware.
public struct LinuxBootLoader: Equatable, Sendable {
  /// The kernel's file: a bzImage or an ELF vmlinux, 64-bit.
  public var kernelPath: String

  /// The kernel command line.
  public var commandLine: String

  /// The files of the initial RAM disk: cpio archives, which Linux unpacks one after the other.
  public var initialRamdiskPaths: [String]

  /// Makes a boot loader of its files' paths and the kernel command line.
  public init(kernelPath: String, commandLine: String = "", initialRamdiskPaths: [String] = []) {
    self.kernelPath = kernelPath
    self.commandLine = commandLine
    self.initialRamdiskPaths = initialRamdiskPaths
  }
}
