import Boot
import GuestMemory
import Host
import KVM

/// The kernel and the initrds, open for as long as the machine may boot, and where they lie in guest
/// memory.
struct BootImage {
  private let files: BootFiles
  private let plan: BootPlan

  /// Opens the files, and lays out the guest's memory.
  init(
    _ configuration: VirtualMachineConfiguration, _ hypervisor: Hypervisor
  ) throws(ConfigurationError) {
    let loader = configuration.bootLoader
    files = BootFiles(
      kernel: try Self.open(loader.kernelPath, at: .root.bootLoader.kernelPath),
      initrds: try loader.initialRamdiskPaths.map { (path) throws(ConfigurationError) in
        try Self.open(path, at: .root.bootLoader.initialRamdiskPaths)
      })
    var request = BootRequest(
      memorySize: configuration.memorySize, cpuCount: configuration.cpuCount,
      commandLine: loader.commandLine, initrdSize: files.initrdSize,
      pci64Window: Self.pci64Window(hypervisor, memorySize: configuration.memorySize))
    request.virtioMMIODeviceCount = configuration.consoleDevices.count { $0.transport == .mmio }
    request.hasPanicDevice = configuration.hasPanicDevice
    request.hasHotPlug = configuration.hasHotPlug
    request.version = SwiftVMVersion.text
    request.oemStrings = configuration.oemStrings
    do throws(BootError) {
      plan = try BootPlan(kernel: files.kernelBytes, request: request)
    } catch {
      throw ConfigurationError(error, configuration)
    }
  }

  private static func open(
    _ path: String, at property: PropertyPath
  ) throws(ConfigurationError) -> ImageFile {
    do throws(ImageFileError) { return try ImageFile(path: path) } catch {
      throw ConfigurationError(
        .unusableFile, at: property, given: path, .init(error.description),
        "give the path of a file you may read")
    }
  }

  /// From the first GiB boundary above RAM as far as the processor's addresses reach, at most 64
  /// GiB: more than 32 devices need.
  private static func pci64Window(_ hypervisor: Hypervisor, memorySize: UInt64) -> Range<UInt64> {
    let leaf = try? hypervisor.supportedCPUID().leaf(0x8000_0008)
    let bits = min(max((leaf?.eax ?? 36) & 0xff, 36), 52)
    let gibibyte: UInt64 = 1 << 30
    let ramEnd = MemoryMap.ram(size: memorySize).last?.upperBound ?? 0
    let start = max((ramEnd + gibibyte - 1) / gibibyte * gibibyte, 4 * gibibyte)
    let end = min(start + 64 * gibibyte, 1 << UInt64(bits))
    return start..<max(start, end)
  }

  /// Puts everything in place. Throws if a file is not what it was when it was opened.
  func load(into memory: GuestMemory) throws {
    for placement in plan.placements {
      switch placement.source {
      case .kernelFile(let range):
        try files.kernel.read(
          at: range.lowerBound, into: memory.buffer(at: placement.address, count: range.count))
      case .initrdFile: try files.readInitrds(into: memory, at: placement.address)
      case .bytes(let bytes):
        try bytes.withUnsafeBytes { try memory.write($0, at: placement.address) }
      }
    }
    try files.checkUnchanged()
  }

  /// The first CPU's registers.
  var entry: EntryState { plan.entry }
}

/// The files of a kernel and its initrds.
package struct BootFiles: Sendable {
  /// The kernel file.
  let kernel: ImageFile
  private let initrds: [ImageFile]
  /// Linux unpacks archives that begin at a multiple of this.
  private static let archiveAlignment: UInt64 = 4

  package init(kernel: ImageFile, initrds: [ImageFile]) {
    self.kernel = kernel
    self.initrds = initrds
  }

  /// The kernel's bytes, to be looked at.
  var kernelBytes: ImageBytes {
    ImageBytes(count: kernel.count) { [kernel] offset, buffer in
      (try? kernel.read(at: offset, into: buffer)) != nil
    }
  }

  /// Bytes of all initrds, with what lies between them; nil without one.
  package var initrdSize: UInt64? {
    initrds.isEmpty ? nil : initrds.reduce(0) { Self.start(after: $0) &+ UInt64($1.count) }
  }

  /// Reads the initrds to guest memory, which is zero between them.
  package func readInitrds(into memory: GuestMemory, at address: UInt64) throws {
    var size: UInt64 = 0
    for initrd in initrds {
      let start = Self.start(after: size)
      try initrd.read(at: 0, into: memory.buffer(at: address &+ start, count: initrd.count))
      size = start &+ UInt64(initrd.count)
    }
  }

  /// Where the next archive begins, after so many bytes.
  private static func start(after size: UInt64) -> UInt64 {
    (size &+ archiveAlignment &- 1) & ~(archiveAlignment &- 1)
  }

  /// Makes sure that what has been read is what was there when the files were opened.
  func checkUnchanged() throws(ImageFileError) {
    try kernel.checkUnchanged()
    for initrd in initrds { try initrd.checkUnchanged() }
  }
}

extension ConfigurationError {
  /// Names the property that a boot error is about.
  fileprivate init(_ error: BootError, _ configuration: VirtualMachineConfiguration) {
    let loader = configuration.bootLoader
    let (path, value): (PropertyPath, String) =
      switch error.culprit {
      case .kernel: (.root.bootLoader.kernelPath, loader.kernelPath)
      case .initrd:
        (.root.bootLoader.initialRamdiskPaths, loader.initialRamdiskPaths.joined(separator: ", "))
      case .commandLine: (.root.bootLoader.commandLine, "")
      case .memory: (.root.memorySize, ByteCount.format(configuration.memorySize))
      }
    self.init(.invalid, at: path, given: value, Text(error.description))
  }
}
