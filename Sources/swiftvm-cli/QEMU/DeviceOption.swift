import Control
import Host
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
  static func read(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let isJSON = given.value.utf8.first == UInt8(ascii: "{")
    let list = isJSON ? try list(ofJSON: given) : given.value
    let driver = KeyValueList.leading(list, key: "driver") ?? ""
    let device = DeviceOption(given: given, value: list, driver: driver)
    switch driver {
    case _ where serialDrivers.contains(driver): try device.addConsoleDevice(to: &reader)
    case "virtserialport", "virtconsole": try device.addPort(to: &reader)
    case "pvpanic": try device.addPanicDevice(to: &reader.request.machine)
    case "isa-debug-exit": try device.addDebugExit(to: &reader.request.machine)
    default: throw device.unknownDriver
    }
  }

  /// What the user gave.
  private let given: GivenOption
  /// The same as a list of keys and values.
  private let value: String
  private let driver: String

  private func list(
    // String keys: the program's own words.
    _ optional: [String], fixed: [String: KeyValueList.FixedKey] = [:]
  ) throws(UsageError) -> KeyValueList {
    try KeyValueList(
      value, option: given.spelling,
      .init(
        optional: optional, implied: "driver", fixed: fixed,
        example: driver == "virtserialport"
          ? "virtserialport,name=NAME,chardev=ID" : driver + ",id=ID"),
      given: given.value)
  }

  private var unknownDriver: UsageError {
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
    return given.error("'\(PlainText.shortened(driver))' is not a valid device model name", hint)
  }

  // MARK: virtio-serial

  /// What swiftvm's devices are in any case.
  // String keys: the program's own words.
  private static let fixedKeys: [String: KeyValueList.FixedKey] = [
    "ioeventfd": .init(["on"], "leave it out; notifications never stop a vCPU for a device"),
    "emergency-write": .init(["on"]), "any_layout": .init(["on"]),
    "notify_on_empty": .init(["off"]), "iommu_platform": .init(["off"]),
    "multifunction": .init(["off"]), "ats": .init(["off"]), "aer": .init(["off"]),
    "page-per-vq": .init(["off"]), "modern-pio-notify": .init(["off"]),
  ]

  private func addConsoleDevice(to reader: inout RunReader) throws(UsageError) {
    let isPCI = driver != "virtio-serial-device"
    let onPCI = ["vectors", "addr"]
    let keys = DeviceKey.all.compactMap(\.qemuName).filter { isPCI || !onPCI.contains($0) }
    let list = try list(keys + (isPCI ? DeviceKey.interface + ["bus"] : []), fixed: Self.fixedKeys)
    if let bus = list["bus"], bus != "pci.0", bus != "pcie.0" {
      throw list.error(
        "Bus '\(PlainText.shortened(bus))' not found", "give bus=pcie.0, or leave it out")
    }
    let isTransitional = driver == "virtio-serial-pci-transitional"
    try DeviceKey.add(
      list, isPCI ? .pci(try list.interface(isTransitional: isTransitional)) : .mmio, to: &reader,
      names: \.qemuName)
  }

  private func addPort(to reader: inout RunReader) throws(UsageError) {
    let isConsole = driver == "virtconsole"
    let policy = isConsole ? PortKeys.consolePolicy : PortKeys.channelPolicy
    let list = try list(PortKeys.common + ["name", "chardev"] + policy)
    let backend =
      list["chardev"] == nil ? .none : try list.takeChardev(&reader, for: driver + ".chardev")
    reader.request.ports.append(try list.port(isConsole: isConsole, attachment: backend))
  }

  // MARK: On the board

  private func addPanicDevice(to machine: inout VirtualMachineConfiguration) throws(UsageError) {
    let list = try list(
      ["id"],
      fixed: [
        "ioport": .init(["0x505", "1285"], "leave it out; it is 0x505"),
        "events": .init(["3"], "leave it out; it is 3"),
      ])
    guard !machine.hasPanicDevice else {
      throw list.error("there is a pvpanic device already", "give it once")
    }
    machine.hasPanicDevice = true
  }

  private func addDebugExit(to machine: inout VirtualMachineConfiguration) throws(UsageError) {
    let list = try list(["id", "iobase", "iosize"])
    guard machine.debugExit == nil else {
      throw list.error("there is an isa-debug-exit device already", "give it once")
    }
    var device = DebugExitConfiguration()
    if let base = try list.port("iobase") { device.firstPort = base }
    device.portCount = try list.number("iosize") ?? device.portCount
    machine.debugExit = device
  }

  // MARK: JSON

  /// The JSON form, which libvirt gives, as a list of keys and values:
  /// `{"driver":"virtserialport","nr":1}`.
  private static func list(ofJSON given: GivenOption) throws(UsageError) -> String {
    func error(_ problem: String) -> UsageError {
      given.error(problem, #"give {"driver":"virtserialport","name":"NAME","chardev":"ID"}"#)
    }
    let object: JSONValue
    do throws(QMPError) {
      object = try JSONParser.parse(Array(given.value.utf8))
    } catch {
      throw given.error(error.description, "mend it, or give DRIVER,KEY=VALUE")
    }
    guard object["driver"]?.text != nil else { throw error("Parameter 'driver' is missing") }
    var items: [String] = []
    for member in object.object?.members ?? [] {
      guard !member.name.isEmpty, !member.name.utf8.contains(where: { "=,".utf8.contains($0) })
      else { throw error("there is no key \(PlainText.quoted(member.name))") }
      let text: String? =
        switch member.value {
        case .bool(let isOn): isOn ? "on" : "off"
        case .number(let digits): digits
        case .string(let text): text
        case .null, .array, .object: nil
        }
      guard let text, !text.utf8.contains(0) else {
        throw error("the value of \"\(PlainText.shortened(member.name))\" is not a property's")
      }
      items.append(member.name + "=" + KeyValueList.escaped(text))
    }
    return items.joined(separator: ",")
  }
}
