import Boot
import Chardev
import Glibc
import Host

extension VirtualMachineConfiguration {
  /// Checks everything that can be checked without KVM: sizes, names, and what the paths lead to.
  /// Nothing is created, changed or opened.
  public func validate() throws(ConfigurationError) {
    try validate(hostMemorySize: Self.hostMemorySize)
  }

  /// As `validate()`, on a host with so many bytes of memory.
  package func validate(hostMemorySize: UInt64) throws(ConfigurationError) {
    try validateMachine(hostMemorySize: hostMemorySize)
    try validateAttachments(sparing: try bootLoader.validate(memorySize: memorySize))
  }

  /// Checks all but the boot loader, as far as `validate` does.
  package func validateHardware() throws(ConfigurationError) {
    try validateMachine(hostMemorySize: Self.hostMemorySize)
    try validateAttachments(sparing: [:])
  }

  private func validateMachine(hostMemorySize: UInt64) throws(ConfigurationError) {
    try validateMemorySize(hostMemorySize: hostMemorySize)
    let path = PropertyPath.root
    try GivenValue(cpuCount, at: path.cpuCount).require(
      cpuCount >= 1, else: .outOfRange, "the guest needs at least one CPU",
      "give e.g. \(path.cpuCount, "1")")
    try ConsoleDeviceRules.check(consoleDevices)
    let emergency = path.emergencyOutput
    try GivenValue("serial", at: emergency).require(
      emergencyOutput != .serialPort || serialPort.attachment != .none, else: .conflict,
      "there is no serial console",
      "give \(emergency) \(emergency.backend(isIdentified: false).file.output, "PATH"),"
        + " or a \(path.serialPort) that is not none")
    try validateName()
    for (index, socket) in controlSockets.enumerated() {
      try ControlSocketRules.check(socket, at: path.controlSockets[index])
    }
    try validateDebugExit()
    try validateOEMStrings()
  }

  private func validateAttachments(
    sparing bootFiles: [FileStatus.Identity: String]
  ) throws(ConfigurationError) {
    var rules = BackendRules(sparing: bootFiles)
    for (backend, owner) in attachments { try rules.check(backend, of: owner) }
  }

  /// All backends, each with what it belongs to.
  var attachments: [(ChardevConfiguration, PropertyPath)] {
    let path = PropertyPath.root
    let ports = consoleDevices.enumerated().flatMap { index, device in
      device.ports.enumerated().map { place, port in
        (port.attachment, path.consoleDevices[index].port(place, isConsole: port.isConsole))
      }
    }
    return [(serialPort.attachment, path.serialPort)] + ports
      + characterDevices.enumerated().map { ($1, path.characterDevices[$0]) }
      + controlSockets.enumerated().map { ($1.socket, path.controlSockets[$0]) }
      + (emergencyAttachment.map { [($0, path.emergencyOutput)] } ?? [])
  }

  /// The backends of those that have one each: the serial console, every port, emergency writes.
  package var frontEnds: [SerialPortAttachment] {
    [serialPort.attachment] + consoleDevices.flatMap(\.ports).map(\.attachment)
      + [emergencyAttachment].compactMap { $0 }
  }

  /// The backend that emergency writes alone have; nil where they have none.
  var emergencyAttachment: SerialPortAttachment? {
    if case .backend(let attachment) = emergencyOutput { attachment } else { nil }
  }

  /// A name can be part of a file's.
  private func validateName() throws(ConfigurationError) {
    guard let name else { return }
    let limit = 64
    let given = GivenValue(name, at: .root.name)
    let example: ConfigurationError.Text = "give e.g. \(PropertyPath.root.name, "vm1")"
    try given.require(!name.isEmpty, else: .missing, "the name is empty", example)
    try given.require(
      name.utf8.count <= limit, else: .outOfRange,
      "the name has \(name.utf8.count) bytes, and at most \(limit) fit", example)
    let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }
    try given.require(
      isPlain && name.utf8.first != UInt8(ascii: "."), else: .invalid,
      "the name begins with a dot, or holds \"/\", a space or a control character", example)
  }

  /// The debug exit's ports are among those that no other device can have.
  private func validateDebugExit() throws(ConfigurationError) {
    guard let debugExit else { return }
    let path = PropertyPath.root.debugExit
    try GivenValue(debugExit.portCount, at: path.portCount).require(
      debugExit.portCount >= 1 && debugExit.ports.upperBound <= 0x1_0000, else: .outOfRange,
      "the ports are not within 0x0 to 0xffff", "give e.g. \(path.portCount, "2")")
    let taken = AddressMap.devicePorts.first { $0.ports.overlaps(debugExit.ports) }
    try GivenValue("0x" + String(debugExit.firstPort, radix: 16), at: path.firstPort).require(
      taken == nil, else: .inUse, "these ports belong to \(taken?.device ?? "")",
      "give e.g. \(path.firstPort, "0x501") or 0xf4")
  }

  private func validateOEMStrings() throws(ConfigurationError) {
    let path = PropertyPath.root.oemStrings
    for (index, text) in oemStrings.enumerated() {
      try GivenValue(text, at: path[index]).require(
        !text.isEmpty && !text.utf8.contains(0), else: .invalid,
        "a string of SMBIOS has at least one byte, and no NUL", "give \(path[index], "TEXT")")
    }
    let all = GivenValue("", at: path)
    try all.require(
      oemStrings.count <= SMBIOS.largestStringCount, else: .outOfRange,
      "\(oemStrings.count) strings are too many", "give at most \(SMBIOS.largestStringCount)")
    let size = oemStrings.reduce(0) { $0 + $1.utf8.count + 1 }
    try all.require(
      size <= SMBIOS.largestStringSize, else: .outOfRange,
      "the strings have \(size) bytes, their ends included",
      "give at most \(SMBIOS.largestStringSize) bytes")
  }

  private func validateMemorySize(hostMemorySize: UInt64) throws(ConfigurationError) {
    let path = PropertyPath.root.memorySize
    let given = GivenValue(ByteCount.format(memorySize), at: path)
    try given.require(
      memorySize >= Self.minimumMemorySize, else: .outOfRange, "the guest needs at least 2 MiB",
      "give e.g. \(path, "512M")")
    try given.require(
      memorySize % Self.memorySizeGranule == 0, else: .outOfRange,
      "guest memory comes in pages of 4 KiB", "give a multiple of 4K, e.g. \(path, "512M")")
    let mebibytes = hostMemorySize / ByteCount.mebibyte
    try given.require(
      memorySize <= hostMemorySize, else: .outOfRange,
      "this host has only \(mebibytes) MiB of memory", "give at most \(path, "\(mebibytes)M")")
  }

  private static var hostMemorySize: UInt64 {
    let pages = UInt64(clamping: sysconf(Int32(_SC_PHYS_PAGES)))
    let (bytes, overflow) = pages.multipliedReportingOverflow(
      by: UInt64(clamping: sysconf(Int32(_SC_PAGESIZE))))
    return overflow ? .max : bytes
  }
}
