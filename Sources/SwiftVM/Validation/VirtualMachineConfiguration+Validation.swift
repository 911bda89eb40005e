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
    try validateHardware(hostMemorySize: hostMemorySize)
    let bootFiles = try bootLoader.validate(memorySize: memorySize)
    for (backend, owner) in attachments {
      try BackendRules.check(backend, of: owner, sparing: bootFiles)
    }
  }

  /// Checks all but the boot loader, as far as `validate` does.
  package func validateHardware() throws(ConfigurationError) {
    try validateHardware(hostMemorySize: Self.hostMemorySize)
  }

  private func validateHardware(hostMemorySize: UInt64) throws(ConfigurationError) {
    try validateMemorySize(hostMemorySize: hostMemorySize)
    let path = PropertyPath.root
    guard cpuCount >= 1 else {
      throw ConfigurationError(
        .outOfRange, at: path.cpuCount, given: String(cpuCount),
        "the guest needs at least one CPU", "give e.g. \(path.cpuCount, "1")")
    }
    try ConsoleDeviceRules.check(consoleDevices)
    if emergencyOutput == .serialPort, serialPort.attachment == .none {
      let property = path.emergencyOutput
      let file = property.backend(isIdentified: false).file.output
      throw ConfigurationError(
        .conflict, at: property, given: "serial", "there is no serial console",
        "give \(property) \(file, "PATH"), or a \(path.serialPort) that is not none")
    }
    try validateName()
    for (index, socket) in controlSockets.enumerated() {
      try ControlSocketRules.check(socket, at: path.controlSockets[index])
    }
    try validateDebugExit()
    try validateOEMStrings()
    var rules = BackendRules()
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
    if case .hostEnd(let attachment) = emergencyOutput { attachment } else { nil }
  }

  /// A name can be part of a file's.
  private func validateName() throws(ConfigurationError) {
    let limit = 64
    guard let name else { return }
    func error(
      _ code: ConfigurationError.Code, _ problem: ConfigurationError.Text
    ) -> ConfigurationError {
      let property = PropertyPath.root.name
      return ConfigurationError(
        code, at: property, given: name, problem, "give e.g. \(property, "vm1")")
    }
    guard !name.isEmpty else { throw error(.missing, "the name is empty") }
    guard name.utf8.count <= limit else {
      throw error(.outOfRange, "the name has \(name.utf8.count) bytes, and at most \(limit) fit")
    }
    let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }
    guard isPlain, name.utf8.first != UInt8(ascii: ".") else {
      throw error(
        .invalid, "the name begins with a dot, or holds \"/\", a space or a control character")
    }
  }

  /// The debug exit's ports are among those that no other device can have.
  private func validateDebugExit() throws(ConfigurationError) {
    guard let debugExit else { return }
    let (first, count) = (
      PropertyPath.root.debugExit.firstPort, PropertyPath.root.debugExit.portCount
    )
    guard debugExit.portCount >= 1, debugExit.ports.upperBound <= 0x1_0000 else {
      throw ConfigurationError(
        .outOfRange, at: count, given: "\(debugExit.portCount)",
        "the ports are not within 0x0 to 0xffff", "give e.g. \(count, "2")")
    }
    let taken = AddressMap.devicePorts.first { $0.ports.overlaps(debugExit.ports) }
    guard let taken else { return }
    throw ConfigurationError(
      .inUse, at: first, given: "0x" + String(debugExit.firstPort, radix: 16),
      "these ports belong to \(taken.device)", "give e.g. \(first, "0x501") or 0xf4")
  }

  private func validateOEMStrings() throws(ConfigurationError) {
    let path = PropertyPath.root.oemStrings
    for (index, text) in oemStrings.enumerated() where text.isEmpty || text.utf8.contains(0) {
      throw ConfigurationError(
        .invalid, at: path[index], given: text,
        "a string of SMBIOS has at least one byte, and no NUL", "give \(path[index], "TEXT")")
    }
    guard oemStrings.count <= SMBIOS.largestStringCount else {
      throw ConfigurationError(
        .outOfRange, at: path, "\(oemStrings.count) strings are too many",
        "give at most \(SMBIOS.largestStringCount)")
    }
    let size = oemStrings.reduce(0) { $0 + $1.utf8.count + 1 }
    guard size <= SMBIOS.largestStringSize else {
      throw ConfigurationError(
        .outOfRange, at: path, "the strings have \(size) bytes, their ends included",
        "give at most \(SMBIOS.largestStringSize) bytes")
    }
  }

  private func validateMemorySize(hostMemorySize: UInt64) throws(ConfigurationError) {
    let path = PropertyPath.root.memorySize
    func error(
      _ problem: ConfigurationError.Text, _ remedy: ConfigurationError.Text
    ) -> ConfigurationError {
      ConfigurationError(
        .outOfRange, at: path, given: ByteCount.format(memorySize), problem, remedy)
    }
    guard memorySize >= Self.minimumMemorySize else {
      throw error("the guest needs at least 2 MiB", "give e.g. \(path, "512M")")
    }
    guard memorySize % Self.memorySizeGranule == 0 else {
      throw error(
        "guest memory comes in pages of 4 KiB", "give a multiple of 4K, e.g. \(path, "512M")")
    }
    guard memorySize <= hostMemorySize else {
      let mebibytes = hostMemorySize / ByteCount.mebibyte
      throw error(
        "this host has only \(mebibytes) MiB of memory", "give at most \(path, "\(mebibytes)M")")
    }
  }

  private static var hostMemorySize: UInt64 {
    let pages = UInt64(clamping: sysconf(Int32(_SC_PHYS_PAGES)))
    let (bytes, overflow) = pages.multipliedReportingOverflow(
      by: UInt64(clamping: sysconf(Int32(_SC_PAGESIZE))))
    return overflow ? .max : bytes
  }
}
