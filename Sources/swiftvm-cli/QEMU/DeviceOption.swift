import Control
import Host
import SwiftVM

/// QEMU's `-device DRIVER,key=value,…`, or the same in JSON.
enum DeviceOption {
  /// A driver of QEMU's, as a row: its keys, and what it adds.
  private struct Driver: Sendable {
    let name: String
    let keys: [String]
    // String keys: the program's own words.
    var fixed: [String: KeyValueList.FixedKey] = [:]
    let add: @Sendable (inout RunReader, KeyValueList) throws(UsageError) -> Void
  }

  private static let drivers =
    [
      serial("virtio-serial"), serial("virtio-serial-pci"),
      serial("virtio-serial-pci-non-transitional"),
      serial("virtio-serial-pci-transitional", isTransitional: true),
      serial("virtio-serial-device", isPCI: false),
      port("virtserialport", isConsole: false, PortKeys.channelPolicy),
      port("virtconsole", isConsole: true, PortKeys.consolePolicy),
    ] + [
      Driver(
        name: "pvpanic", keys: ["id"],
        fixed: [
          "ioport": .init(["0x505", "1285"], "leave it out; it is 0x505"),
          "events": .init(["3"], "leave it out; it is 3"),
        ]
      ) { (reader, list) throws(UsageError) in
        guard !reader.request.machine.hasPanicDevice else {
          throw list.error("there is a pvpanic device already", "give it once")
        }
        reader.request.machine.hasPanicDevice = true
      },
      Driver(name: "isa-debug-exit", keys: ["id", "iobase", "iosize"]) {
        (reader, list) throws(UsageError) in
        guard reader.request.machine.debugExit == nil else {
          throw list.error("there is an isa-debug-exit device already", "give it once")
        }
        var device = DebugExitConfiguration()
        device.firstPort = try list.port("iobase") ?? device.firstPort
        device.portCount = try list.number("iosize") ?? device.portCount
        reader.request.machine.debugExit = device
      },
    ]

  /// Adds the device that a value describes to a request.
  static func read(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let isJSON = given.value.utf8.first == UInt8(ascii: "{")
    let value = isJSON ? try list(ofJSON: given) : given.value
    let word = KeyValueList.leading(value, key: "driver") ?? ""
    guard let driver = drivers.first(where: { $0.name == word }) else {
      throw unknownDriver(word, given)
    }
    let example = word == "virtserialport" ? ",name=NAME,chardev=ID" : ",id=ID"
    let list = try KeyValueList(
      value, option: given.spelling,
      .init(
        optional: driver.keys, implied: "driver", fixed: driver.fixed, example: word + example),
      given: given.value)
    try driver.add(&reader, list)
  }

  /// What the names of QEMU's other devices begin with.
  private static let otherDevices = [
    "virtio-net", "virtio-blk", "virtio-scsi", "virtio-rng", "virtio-balloon", "virtio-gpu",
    "virtio-vga", "virtio-9p", "virtio-crypto", "virtio-mem", "virtio-iommu", "virtio-input",
    "virtio-keyboard", "virtio-mouse", "virtio-tablet", "vhost-", "scsi-", "ide-", "usb-", "nvme",
    "e1000", "rtl8139", "vmxnet3", "VGA", "qxl", "pcie-root-port", "pci-bridge",
  ]

  private static func unknownDriver(_ word: String, _ given: GivenOption) -> UsageError {
    let hint =
      switch word {
      case "pvpanic-pci": "give -device pvpanic"
      case "virtio-serial-ccw", "virtio-serial-bus": "give -device virtio-serial"
      case _ where otherDevices.contains(where: { word.hasPrefix($0) }):
        "leave it out; swiftvm is for channels, without disks, networks or displays"
      default:
        Suggestion.to(word, among: drivers.map(\.name)).map { "did you mean -device \($0)?" }
          ?? "swiftvm has virtio-serial, virtserialport, virtconsole, pvpanic and isa-debug-exit"
      }
    return given.error("'\(PlainText.shortened(word))' is not a valid device model name", hint)
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

  private static func serial(
    _ name: String, isPCI: Bool = true, isTransitional: Bool = false
  ) -> Driver {
    let onPCI = ["vectors", "addr"]
    let keys = DeviceKey.all.compactMap(\.qemuName).filter { isPCI || !onPCI.contains($0) }
    return Driver(
      name: name, keys: keys + (isPCI ? DeviceKey.interface + ["bus"] : []), fixed: fixedKeys
    ) { (reader, list) throws(UsageError) in
      if let bus = list["bus"], bus != "pci.0", bus != "pcie.0" {
        throw list.error(
          "Bus '\(PlainText.shortened(bus))' not found", "give bus=pcie.0, or leave it out")
      }
      try DeviceKey.add(
        list, isPCI ? .pci(try list.interface(isTransitional: isTransitional)) : .mmio,
        to: &reader, names: \.qemuName)
    }
  }

  private static func port(_ name: String, isConsole: Bool, _ policy: [String]) -> Driver {
    Driver(name: name, keys: PortKeys.common + ["name", "chardev"] + policy) {
      (reader, list) throws(UsageError) in
      let backend =
        list["chardev"] == nil ? .none : try list.takeChardev(&reader, for: name + ".chardev")
      reader.request.ports.append(try list.port(isConsole: isConsole, attachment: backend))
    }
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
    for member in object.members ?? [] {
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
