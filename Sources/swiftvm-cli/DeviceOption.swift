import SwiftVM

/// The value of QEMU's `-device`: `DRIVER,key=value,…`, or the same in JSON.
struct DeviceOption {
  private static let serialDrivers = [
    "virtio-serial", "virtio-serial-pci", "virtio-serial-pci-non-transitional",
    "virtio-serial-pci-transitional", "virtio-serial-device",
  ]
  private static let drivers =
    serialDrivers + ["virtserialport", "virtconsole", "pvpanic", "isa-debug-exit"]

  /// What the names of QEMU's other devices begin with.
  private static let otherDevices = [
    "virtio-net", "virtio-blk", "virtio-scsi", "virtio-rng", "virtio-balloon", "virtio-gpu",
    "virtio-vga", "virtio-9p", "virtio-crypto", "virtio-mem", "virtio-iommu", "virtio-input",
    "virtio-keyboard", "virtio-mouse", "virtio-tablet", "vhost-", "scsi-", "ide-", "usb-", "nvme",
    "e1000", "rtl8139", "vmxnet3", "VGA", "qxl", "pcie-root-port", "pci-bridge",
  ]

  /// Adds the device that a value describes to a request.
  static func read(
    _ value: String, into request: inout RunRequest, _ table: inout HostEndTable
  ) throws(ConfigurationError) {
    let list = JSONDevice.isMeant(value) ? try JSONDevice.list(value) : value
    let driver = KeyValueList.leading(list, key: "driver") ?? ""
    let device = DeviceOption(given: value, value: list, driver: driver)
    switch driver {
    case _ where serialDrivers.contains(driver): request.devices.append(try device.serialDevice)
    case "virtserialport", "virtconsole": request.ports.append(try device.port(&table))
    case "pvpanic": try device.addPanicDevice(to: &request)
    case "isa-debug-exit": try device.addDebugExit(to: &request)
    default: throw device.unknownDriver
    }
  }

  /// What the user gave.
  private let given: String
  /// The same as a list of keys and values.
  private let value: String
  private let driver: String

  private func list(
    // String keys: the program's own words.
    _ optional: [String], fixed: [String: KeyValueList.FixedKey] = [:]
  ) throws(ConfigurationError) -> KeyValueList {
    try KeyValueList(
      value, option: OptionName.device,
      .init(
        optional: optional, implied: "driver", fixed: fixed,
        example: driver == "virtserialport"
          ? "virtserialport,name=NAME,chardev=ID" : driver + ",id=ID"),
      given: given)
  }

  private var unknownDriver: ConfigurationError {
    let hint =
      switch driver {
      case "pvpanic-pci": "give -device pvpanic"
      case "virtio-serial-ccw", "virtio-serial-bus": "give -device virtio-serial"
      case _ where Self.otherDevices.contains(where: { driver.hasPrefix($0) }):
        "leave it out; swiftvm is for channels, without disks, networks or displays"
      default:
        Suggestion.to(driver, among: Self.drivers).map { "did you mean -device \($0)?" }
          ?? "swiftvm has virtio-serial, virtserialport, virtconsole, pvpanic and isa-debug-exit"
      }
    return ConfigurationError(
      option: OptionName.device, value: given,
      problem: "'\(PlainText.shortened(driver))' is not a valid device model name", remedy: hint)
  }

  // MARK: virtio-serial

  /// What swiftvm's devices are anyway.
  // String keys: the program's own words.
  private static let fixedKeys: [String: KeyValueList.FixedKey] = [
    "ioeventfd": .init(["on"], "leave it out; notifications never stop a vCPU for a device"),
    "emergency-write": .init(["on"]), "any_layout": .init(["on"]),
    "notify_on_empty": .init(["off"]), "iommu_platform": .init(["off"]),
    "multifunction": .init(["off"]), "ats": .init(["off"]), "aer": .init(["off"]),
    "page-per-vq": .init(["off"]), "modern-pio-notify": .init(["off"]),
  ]

  private var serialDevice: RunRequest.Device {
    get throws(ConfigurationError) {
      let isPCI = driver != "virtio-serial-device"
      let pciKeys = ["vectors", "bus", "addr", "disable-legacy", "disable-modern"]
      let list = try list(
        ["id", "max_ports", "packed", "event_idx", "indirect_desc", "queue_reset"]
          + (isPCI ? pciKeys : []), fixed: Self.fixedKeys)
      if let bus = list["bus"], bus != "pci.0", bus != "pcie.0" {
        throw list.error(
          "Bus '\(PlainText.shortened(bus))' not found", "give bus=pcie.0, or leave it out")
      }
      var features = VirtioConsoleFeatures()
      features.packedRing = try list.isOn("packed") ?? features.packedRing
      features.eventIndex = try list.isOn("event_idx") ?? features.eventIndex
      features.indirectDescriptors = try list.isOn("indirect_desc") ?? features.indirectDescriptors
      features.queueReset = try list.isOn("queue_reset") ?? features.queueReset
      return RunRequest.Device(
        configuration: VirtioConsoleDeviceConfiguration(
          id: list["id"], ports: [], transport: isPCI ? .pci(try interface(list)) : .mmio,
          features: features, vectorCount: try list.number("vectors"),
          slot: try list.slot("addr")),
        maximumPortCount: try list.number("max_ports"))
    }
  }

  private func interface(
    _ list: KeyValueList
  ) throws(ConfigurationError) -> VirtioConsoleTransport.PCIInterface {
    let isTransitional = driver == "virtio-serial-pci-transitional"
    let isAutomatic = list["disable-legacy"] == "auto"
    let disablesLegacy = isAutomatic ? nil : try list.isOn("disable-legacy")
    return try list.interface(
      disablesLegacy: disablesLegacy ?? (isTransitional ? false : nil),
      disablesModern: try list.isOn("disable-modern"))
  }

  private func port(_ table: inout HostEndTable) throws(ConfigurationError) -> RunRequest.Port {
    let isConsole = driver == "virtconsole"
    let policyKeys = isConsole ? KeyValueList.consolePolicyKeys : KeyValueList.channelPolicyKeys
    let list = try list(KeyValueList.portKeys + ["name", "chardev"] + policyKeys)
    let end = try list["chardev"].map { (id) throws(ConfigurationError) in
      try table.take(id, for: driver + ".chardev") { list.error($0, $1) }
    }
    return try list.port(isConsole: isConsole, attachment: end ?? .none)
  }

  // MARK: On the board

  private func addPanicDevice(to request: inout RunRequest) throws(ConfigurationError) {
    let list = try list(
      ["id"],
      fixed: [
        "ioport": .init(["0x505", "1285"], "leave it out; it is 0x505"),
        "events": .init(["3"], "leave it out; it is 3"),
      ])
    guard !request.hasPanicDevice else {
      throw list.error("there is a pvpanic device already", "give it once")
    }
    request.hasPanicDevice = true
  }

  private func addDebugExit(to request: inout RunRequest) throws(ConfigurationError) {
    let list = try list(["id", "iobase", "iosize"])
    guard request.debugExit == nil else {
      throw list.error("there is an isa-debug-exit device already", "give it once")
    }
    var device = DebugExitConfiguration()
    if let base = try list.port("iobase") { device.firstPort = base }
    device.portCount = try list.number("iosize") ?? device.portCount
    request.debugExit = device
  }
}
