import Boot
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
    for (attachment, option) in attachments {
      try AttachmentRules.check(attachment, option: option, sparing: bootFiles)
    }
  }

  /// Checks all but the boot loader, as far as `validate` does.
  package func validateHardware() throws(ConfigurationError) {
    try validateHardware(hostMemorySize: Self.hostMemorySize)
  }

  private func validateHardware(hostMemorySize: UInt64) throws(ConfigurationError) {
    try validateMemorySize(hostMemorySize: hostMemorySize)
    guard cpuCount >= 1 else {
      throw ConfigurationError(
        option: OptionName.cpus, value: String(cpuCount),
        problem: "the guest needs at least one CPU", remedy: "give e.g. --cpus 1")
    }
    try ConsoleDeviceRules.check(consoleDevices)
    try validateEmergencyOutput()
    if let name { try MachineNameRules.check(name) }
    for socket in controlSockets { try ControlSocketRules.check(socket) }
    if let debugExit { try DebugExitRules.check(debugExit) }
    try validateOEMStrings()
    var rules = AttachmentRules()
    for (attachment, option) in attachments { try rules.check(attachment, option: option) }
  }

  var attachments: [(SerialPortAttachment, option: String)] {
    [(serialPort.attachment, OptionName.serial)]
      + consoleDevices.flatMap(\.ports).map { ($0.attachment, OptionName.of($0)) }
      + characterDevices.map { ($0, OptionName.chardev) }
      + controlSockets.map { ($0.socket, OptionName.qmp) }
      + (emergencyAttachment.map { [($0, OptionName.emergency)] } ?? [])
  }

  /// The host ends of those that have one each: the serial console, every port, emergency writes.
  var frontEnds: [SerialPortAttachment] {
    [serialPort.attachment] + consoleDevices.flatMap(\.ports).map(\.attachment)
      + [emergencyAttachment].compactMap { $0 }
  }

  /// The host end that emergency writes alone have; nil where they have none.
  var emergencyAttachment: SerialPortAttachment? {
    if case .hostEnd(let attachment) = emergencyOutput { attachment } else { nil }
  }

  private func validateEmergencyOutput() throws(ConfigurationError) {
    guard emergencyOutput == .serialPort, serialPort.attachment == .none else { return }
    throw ConfigurationError(
      option: OptionName.emergency, value: "serial", problem: "there is no serial console",
      remedy: "give --emergency file=PATH, or a --serial that is not none")
  }

  private func validateOEMStrings() throws(ConfigurationError) {
    func error(_ value: String, _ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.smbios, value: value, problem: problem, remedy: remedy)
    }
    for text in oemStrings where text.isEmpty || text.utf8.contains(0) {
      throw error(
        "type=11,value=\(text)", "a string of SMBIOS has at least one byte, and no NUL",
        "give type=11,value=TEXT")
    }
    guard oemStrings.count <= SMBIOS.largestStringCount else {
      throw error(
        "type=11", "\(oemStrings.count) strings are too many",
        "give at most \(SMBIOS.largestStringCount)")
    }
    let size = oemStrings.reduce(0) { $0 + $1.utf8.count + 1 }
    guard size <= SMBIOS.largestStringSize else {
      throw error(
        "type=11", "the strings have \(size) bytes, their ends included",
        "give at most \(SMBIOS.largestStringSize) bytes")
    }
  }

  private func validateMemorySize(hostMemorySize: UInt64) throws(ConfigurationError) {
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.memory, value: ByteCount.format(memorySize), problem: problem,
        remedy: remedy)
    }
    guard memorySize >= Self.minimumMemorySize else {
      throw error("the guest needs at least 2 MiB", "give e.g. --memory 512M")
    }
    guard memorySize % Self.memorySizeGranule == 0 else {
      throw error(
        "guest memory comes in pages of 4 KiB", "give a multiple of 4K, e.g. --memory 512M")
    }
    guard memorySize <= hostMemorySize else {
      let mebibytes = hostMemorySize / ByteCount.mebibyte
      throw error(
        "this host has only \(mebibytes) MiB of memory", "give at most --memory \(mebibytes)M")
    }
  }

  private static var hostMemorySize: UInt64 {
    let pages = UInt64(clamping: sysconf(Int32(_SC_PHYS_PAGES)))
    let (bytes, overflow) = pages.multipliedReportingOverflow(
      by: UInt64(clamping: sysconf(Int32(_SC_PAGESIZE))))
    return overflow ? .max : bytes
  }
}
