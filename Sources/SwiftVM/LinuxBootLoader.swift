/// Starts a Linux kernel directly, without firmware.
public struct LinuxBootLoader: Equatable, Sendable {
  /// The kernel's file: a bzImage or an ELF vmlinux, 64-bit.
  public var kernelPath: String

  /// The kernel command line.
  public var commandLine: String

  /// The initial RAM disk's file, if there is one.
  public var initialRamdiskPath: String?

  /// Makes a boot loader of its files' paths and the kernel command line.
  public init(kernelPath: String, commandLine: String = "", initialRamdiskPath: String? = nil) {
    self.kernelPath = kernelPath
    self.commandLine = commandLine
    self.initialRamdiskPath = initialRamdiskPath
  }
}
