/// The machine to boot, besides its kernel.
package struct BootRequest: Sendable {
  /// Bytes of guest RAM.
  package var memorySize: UInt64
  /// Number of CPUs, 1 to `AddressMap.largestCPUCount`; their APIC ids count from 0.
  package var cpuCount: Int
  /// The kernel's command line.
  package var commandLine: String
  /// Bytes of the initrd file, if there is one.
  package var initrdSize: UInt64?
  /// Addresses for 64-bit base address registers, above all RAM; may be empty.
  package var pci64Window: Range<UInt64>
  /// How many virtio-mmio devices there are, at most `AddressMap.virtioMMIOCapacity`.
  package var virtioMMIODeviceCount = 0
  /// Whether there is a pvpanic device.
  package var hasPanicDevice = false
  /// Whether devices on the PCI bus may come and go while the guest runs.
  package var hasHotPlug = false
  /// What SMBIOS gives as the firmware's version.
  package var version = "0"
  /// OEM strings in SMBIOS, within `SMBIOS`' limits.
  package var oemStrings: [String] = []

  /// A machine without what is not given.
  package init(
    memorySize: UInt64, cpuCount: Int, commandLine: String, initrdSize: UInt64?,
    pci64Window: Range<UInt64>
  ) {
    self.memorySize = memorySize
    self.cpuCount = cpuCount
    self.commandLine = commandLine
    self.initrdSize = initrdSize
    self.pci64Window = pci64Window
  }
}

/// Everything to place in guest memory before the first instruction, and how to enter.
package struct BootPlan: Sendable {
  /// Where a placement's bytes come from.
  package enum Source: Equatable, Sendable {
    /// A part of the kernel file.
    case kernelFile(Range<Int>)
    /// The whole initrd file.
    case initrdFile
    /// These bytes.
    case bytes([UInt8])
  }

  /// Bytes to place in guest memory.
  package struct Placement: Equatable, Sendable {
    /// Guest physical address of the first byte.
    package let address: UInt64
    /// The bytes.
    package let source: Source
  }

  /// Without overlaps, all inside RAM, which must read as zero everywhere else.
  package let placements: [Placement]
  /// How the first processor starts.
  package let entry: EntryState

  /// Lays the guest's memory out.
  ///
  /// - Parameters:
  ///   - kernel: the kernel file's bytes.
  ///   - request: the rest of the machine.
  /// - Throws: what the user has to change.
  package init(kernel: ImageBytes, request: BootRequest) throws(BootError) {
    let image = try KernelImage(parsing: kernel)
    let lowMemoryEnd = try Self.lowMemoryEnd(of: request, for: image)
    let commandLine = try Self.encode(request.commandLine, limit: image.commandLineLimit)
    var initrd: Range<UInt64>?
    if let size = request.initrdSize {
      initrd = try Self.placeInitrd(of: size, beside: image, lowMemoryEnd: lowMemoryEnd)
    }
    let information = BootInformation(
      memoryMap: MemoryMap(memorySize: request.memorySize),
      commandLineSize: commandLine.count - 1, initrd: initrd)

    entry = image.entry
    let firmware: [(address: UInt64, bytes: [UInt8])] = [
      (AddressMap.commandLine, commandLine),
      (AddressMap.acpiTables.lowerBound, ACPITables.encode(request)),
      (
        AddressMap.smbios.lowerBound,
        SMBIOS.encode(version: request.version, strings: request.oemStrings)
      ),
      (AddressMap.mpTable.lowerBound, LegacyFirmware.mpTable(cpuCount: request.cpuCount)),
      (AddressMap.biosEntry.lowerBound, LegacyFirmware.biosEntry),
    ]
    let parts = information.encode(for: entry.mode, setupHeader: image.setupHeader)
    var placements = (parts + entry.tables + firmware).map {
      Placement(address: $0.address, source: .bytes($0.bytes))
    }
    for segment in image.segments where !segment.file.isEmpty {
      placements.append(Placement(address: segment.address, source: .kernelFile(segment.file)))
    }
    if let initrd {
      placements.append(Placement(address: initrd.lowerBound, source: .initrdFile))
    }
    self.placements = placements
  }

  /// End of the RAM below the hole, checked to hold the kernel.
  private static func lowMemoryEnd(
    of request: BootRequest, for image: KernelImage
  ) throws(BootError) -> UInt64 {
    guard request.memorySize <= AddressMap.largestMemory else {
      throw .memoryTooLarge(limit: AddressMap.largestMemory)
    }
    let end = min(request.memorySize, AddressMap.hole.lowerBound)
    let needed = image.footprint.upperBound
    guard end >= needed else { throw .memoryTooSmall(needed: needed) }
    guard request.memorySize % 4096 == 0 else { throw .memoryNotPages }
    return end
  }

  /// The command line's bytes, the final NUL included.
  ///
  /// - Parameter limit: bytes the kernel accepts, its NUL not counted.
  private static func encode(_ text: String, limit: Int) throws(BootError) -> [UInt8] {
    let size = text.utf8.count
    guard size <= limit else { throw .commandLineTooLong(size: size, limit: limit) }
    guard !text.utf8.contains(0) else { throw .commandLineHasNUL }
    return Array(text.utf8) + [0]
  }

  /// The highest page-aligned place between the kernel and the end of low memory: there the kernel
  /// does not overwrite it while it unpacks itself.
  private static func placeInitrd(
    of size: UInt64, beside kernel: KernelImage, lowMemoryEnd: UInt64
  ) throws(BootError) -> Range<UInt64> {
    let pageSize: UInt64 = 4096
    guard size > 0 else { throw .initrdEmpty }
    let end = min(lowMemoryEnd, kernel.initrdLimit)
    let lowest = kernel.footprint.upperBound.alignedUp(to: pageSize) ?? .max
    let available = end > lowest ? end - lowest : 0
    guard size <= available else { throw .initrdTooLarge(size: size, available: available) }
    let start = (end - size).alignedDown(to: pageSize)
    return start..<(start + size)
  }
}
