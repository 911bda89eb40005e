import Glibc

/// The project's own guest: a kernel and an initial RAM disk that show the channel at work.
public struct GuestImage: Equatable, Sendable {
  /// The variable that names the image's directory; where it is set, no other is looked at.
  public static let environmentVariable = "SWIFTVM_GUEST_IMAGE"

  /// The kernel's file.
  public let kernelPath: String

  /// The initial RAM disk's file.
  public let initialRamdiskPath: String

  /// Makes an image of its files' paths.
  public init(kernelPath: String, initialRamdiskPath: String) {
    self.kernelPath = kernelPath
    self.initialRamdiskPath = initialRamdiskPath
  }

  /// Finds the image of this installation: in the directory that the environment names; else in
  /// `guest-images/build` beside the executable or any directory above it; else in
  /// `../share/swiftvm`, seen from the executable's directory.
  public static func locate() throws(ConfigurationError) -> GuestImage {
    try locate(
      namedDirectory: getenv(environmentVariable).map { String(cString: $0) },
      executablePath: executablePath)
  }

  /// As `locate()`, for an environment and an executable elsewhere.
  ///
  /// - Parameters:
  ///   - namedDirectory: the environment variable's value; an empty one counts as none.
  ///   - executablePath: an absolute path without symbolic links.
  package static func locate(
    namedDirectory: String?, executablePath: String?
  ) throws(ConfigurationError) -> GuestImage {
    let remedy = ConfigurationError.Text(
      "run \"make guest-images\", or give \(PropertyPath.root.bootLoader.kernelPath)")
    if let namedDirectory, !namedDirectory.isEmpty {
      guard let image = GuestImage(directory: namedDirectory) else {
        throw ConfigurationError(
          .notFound, at: .environment(environmentVariable), given: namedDirectory,
          "no vmlinux (or vmlinuz) with an initramfs.cpio is there", remedy)
      }
      return image
    }
    for directory in executablePath.map(candidates) ?? [] {
      if let image = GuestImage(directory: directory) { return image }
    }
    throw ConfigurationError(
      .missing, at: .root.bootLoader.kernelPath, "not given, and no guest image is built", remedy)
  }

  private init?(directory: String) {
    let kernels = ["vmlinux", "vmlinuz"].map { directory + "/" + $0 }
    let initialRamdisk = directory + "/initramfs.cpio"
    guard let kernel = kernels.first(where: Self.isRegularFile),
      Self.isRegularFile(initialRamdisk)
    else { return nil }
    self.init(kernelPath: kernel, initialRamdiskPath: initialRamdisk)
  }

  private static func isRegularFile(_ path: String) -> Bool {
    (try? FileStatus(path: path))?.kind == .regular
  }

  /// Where an image may be, the nearest place first.
  private static func candidates(for executablePath: String) -> [String] {
    let components = executablePath.split(separator: "/").dropLast()
    let ancestors = (0...components.count).reversed().map { count in
      components.prefix(count).map { "/" + $0 }.joined()
    }
    let prefix = components.dropLast().map { "/" + $0 }.joined()
    return ancestors.map { $0 + "/guest-images/build" } + [prefix + "/share/swiftvm"]
  }

  private static var executablePath: String? {
    guard let path = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(path) }
    return String(cString: path)
  }
}
