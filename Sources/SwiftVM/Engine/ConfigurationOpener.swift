import Boot
import Host
import KVM
import VirtioConsole

/// From what the user asked for to what a machine is made of: opens and checks everything, and turns
/// each refusal into an error that names the property.
struct ConfigurationOpener {
  private let configuration: VirtualMachineConfiguration

  init(_ configuration: VirtualMachineConfiguration) { self.configuration = configuration }

  /// KVM, with as many processors as are wanted.
  func openHypervisor() throws(ConfigurationError) -> Hypervisor {
    let hypervisor: Hypervisor
    do throws(HypervisorError) { hypervisor = try Hypervisor() } catch {
      throw ConfigurationError(.host, at: .root, .init(error.description))
    }
    let limit = hypervisor.allowedCPUCount
    guard configuration.cpuCount <= limit else {
      let who = limit < hypervisor.maximumVCPUCount ? "swiftvm" : "this host's KVM"
      throw ConfigurationError(
        .outOfRange, at: .root.cpuCount, given: String(configuration.cpuCount),
        "\(who) allows a machine \(limit) CPUs",
        "give at most \(PropertyPath.root.cpuCount, "\(limit)")")
    }
    return hypervisor
  }

  /// Everything else; what creates something comes last.
  func open(
    _ hypervisor: Hypervisor, backends: BackendOpener,
    trace: (@Sendable (_ device: String, TraceEvent) -> Void)? = nil
  ) throws(ConfigurationError) -> MachineConfiguration {
    let loader = configuration.bootLoader
    let files = BootFiles(
      kernel: try image(loader.kernelPath, at: .root.bootLoader.kernelPath),
      initrds: try loader.initialRamdiskPaths.map { (path) throws(ConfigurationError) in
        try image(path, at: .root.bootLoader.initialRamdiskPaths)
      })
    let plan = try makePlan(files, hypervisor)
    var terminals = TerminalNotes()
    var consoles: [MachineConfiguration.ConsoleDevice] = []
    for (index, device) in configuration.consoleDevices.enumerated() {
      let label = device.label(index: index)
      var console = try backends.open(device, at: .root.consoleDevices[index])
      if let trace { console.trace = { trace(label, $0) } }
      consoles.append(console)
      for (place, number) in try device.portNumbers.enumerated() {
        var port = device.ports[place]
        port.number = number
        terminals.note(console.ports[place].chardev, label: port.chardevLabel(ofDevice: label))
      }
    }
    for spare in configuration.characterDevices {
      terminals.note(try backends.openSpare(spare), label: spare.id ?? "")
    }
    let serial = try backends.openSerial(configuration.serialPort.attachment)
    if let serial { terminals.note(serial, label: configuration.serialPort.label) }
    var machine = MachineConfiguration(
      memorySize: configuration.memorySize, cpuCount: configuration.cpuCount, bootPlan: plan,
      bootFiles: files, consoleDevices: consoles, serial: serial,
      endsOnReset: configuration.resetPolicy == .exit)
    machine.usesHugePages = configuration.usesHugePages
    machine.serialWaitsForReader = configuration.serialPort.waitsForReader
    machine.lingerLimit = configuration.lingerLimit
    machine.hasPanicDevice = configuration.hasPanicDevice
    machine.allowsHotPlug = hasHotPlug
    machine.panicAction =
      switch configuration.panicPolicy {
      case .proceed: .proceed
      case .pause: .pause
      case .exit: .end
      }
    machine.debugExit = configuration.debugExit?.ports
    machine.emergency = try openEmergencyOutput(backends)
    if case .hostEnd(let chardev) = machine.emergency {
      terminals.note(chardev, label: "emergency")
    }
    machine.keptChardevs = backends.registry.lasting
    return machine
  }

  private func openEmergencyOutput(
    _ backends: BackendOpener
  ) throws(ConfigurationError) -> MachineConfiguration.EmergencyOutput {
    switch configuration.emergencyOutput {
    case .automatic where configuration.serialPort.attachment == .none: .log
    case .automatic, .serialPort: .serial
    case .hostEnd(let attachment):
      .hostEnd(try backends.openSpare(attachment, of: .root.emergencyOutput))
    }
  }

  /// A client of a control socket may plug devices in at any time.
  private var hasHotPlug: Bool {
    configuration.allowsHotPlug || !configuration.controlSockets.isEmpty
  }

  // MARK: Boot

  private func image(_ path: String, at property: PropertyPath) throws(ConfigurationError)
    -> ImageFile
  {
    do throws(ImageFileError) { return try ImageFile(path: path) } catch {
      throw ConfigurationError(
        .unusableFile, at: property, given: path, .init(error.description),
        "give the path of a file you may read")
    }
  }

  private func makePlan(
    _ files: BootFiles, _ hypervisor: Hypervisor
  ) throws(ConfigurationError) -> BootPlan {
    let loader = configuration.bootLoader
    var request = BootRequest(
      memorySize: configuration.memorySize, cpuCount: configuration.cpuCount,
      commandLine: loader.commandLine,
      initrdSize: files.initrdSize,
      pci64Window: pci64Window(hypervisor))
    request.virtioMMIODeviceCount = configuration.consoleDevices.count { $0.transport == .mmio }
    request.hasPanicDevice = configuration.hasPanicDevice
    request.hasHotPlug = hasHotPlug
    request.version = SwiftVMVersion.text
    request.oemStrings = configuration.oemStrings
    do throws(BootError) {
      return try BootPlan(kernel: files.kernelBytes, request: request)
    } catch {
      throw ConfigurationError(error, configuration)
    }
  }

  /// From the first GiB boundary above RAM as far as the processor's addresses reach, at most 64
  /// GiB: more than 32 devices need.
  private func pci64Window(_ hypervisor: Hypervisor) -> Range<UInt64> {
    let leaf = try? hypervisor.supportedCPUID().leaf(0x8000_0008)
    let bits = min(max((leaf?.eax ?? 36) & 0xff, 36), 52)
    let gibibyte: UInt64 = 1 << 30
    let ramEnd = MemoryMap.ram(size: configuration.memorySize).last?.upperBound ?? 0
    let start = max((ramEnd + gibibyte - 1) / gibibyte * gibibyte, 4 * gibibyte)
    let end = min(start + 64 * gibibyte, 1 << UInt64(bits))
    return start..<max(start, end)
  }
}

extension ConfigurationError {
  /// Names the property that a boot error is about.
  init(_ error: BootError, _ configuration: VirtualMachineConfiguration) {
    let loader = configuration.bootLoader
    let subject: (path: PropertyPath, value: String) =
      switch error.culprit {
      case .kernel: (.root.bootLoader.kernelPath, loader.kernelPath)
      case .initrd:
        (.root.bootLoader.initialRamdiskPaths, loader.initialRamdiskPaths.joined(separator: ", "))
      case .commandLine: (.root.bootLoader.commandLine, "")
      case .memory: (.root.memorySize, ByteCount.format(configuration.memorySize))
      }
    self.init(.invalid, at: subject.path, given: subject.value, Text(error.description))
  }
}

extension Hypervisor {
  /// How many virtual CPUs a machine may have.
  var allowedCPUCount: Int { min(maximumVCPUCount, AddressMap.largestCPUCount) }
}
