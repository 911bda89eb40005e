import SwiftVM

// The values of --virtio-serial, --virtserialport and --virtconsole.

extension RunRequest {
  private static let deviceExample = "id=ID,max-ports=N"
  private static let portExample = "name=NAME,socket=PATH"
  private static let consoleExample = "stdio, socket=PATH or file=PATH"

  /// A device, ports apart.
  static func device(_ value: String) throws(ConfigurationError) -> Device {
    let list = try KeyValueList(
      value, option: OptionName.virtioSerial, keys: [],
      optionalKeys: [
        "id", "max-ports", "transport", "disable-legacy", "disable-modern", "packed", "event-idx",
        "indirect-desc", "queue-reset", "multiport", "vectors",
      ], example: deviceExample)
    var features = VirtioConsoleFeatures()
    features.packedRing = try list.isOn("packed") ?? features.packedRing
    features.eventIndex = try list.isOn("event-idx") ?? features.eventIndex
    features.indirectDescriptors = try list.isOn("indirect-desc") ?? features.indirectDescriptors
    features.queueReset = try list.isOn("queue-reset") ?? features.queueReset
    features.multiport = try list.isOn("multiport") ?? features.multiport
    return Device(
      configuration: VirtioConsoleDeviceConfiguration(
        id: list["id"], ports: [], transport: try transport(list), features: features,
        vectorCount: try list.number("vectors")),
      maximumPortCount: try list.number("max-ports"))
  }

  private enum TransportName: String, CaseIterable { case pci, mmio }

  /// Legacy is off, unless it is all that is left.
  private static func transport(
    _ list: KeyValueList
  ) throws(ConfigurationError) -> VirtioConsoleTransport {
    let name: TransportName? = try list.choice("transport")
    let hasModern = try !(list.isOn("disable-modern") ?? false)
    let hasLegacy = try !(list.isOn("disable-legacy") ?? hasModern)
    guard name != .mmio else {
      for key in ["disable-legacy", "disable-modern"] where list[key] != nil {
        throw list.error("\"\(key)\" is for devices on PCI", "leave it out")
      }
      return .mmio
    }
    switch (hasModern, hasLegacy) {
    case (true, false): return .pci(.modern)
    case (true, true): return .pci(.transitional)
    case (false, true): return .pci(.legacy)
    case (false, false):
      throw list.error(
        "device cannot work as neither modern nor legacy mode is enabled",
        "set either disable-modern or disable-legacy to off")
    }
  }

  /// A channel.
  static func port(_ value: String) throws(ConfigurationError) -> Port {
    let list = try KeyValueList(
      value, option: OptionName.virtserialport, keys: ["name", "socket"],
      optionalKeys: ["id", "bus", "nr", "on-host-close", "early", "on-guest-close", "weight"],
      example: portExample)
    var policy = VirtioConsolePortPolicy()
    policy.onHostClose = try list.choice("on-host-close") ?? policy.onHostClose
    policy.early = try list.choice("early") ?? policy.early
    policy.onGuestClose = try list.choice("on-guest-close") ?? policy.onGuestClose
    policy.weight = try list.number("weight") ?? policy.weight
    return Port(
      bus: list["bus"],
      configuration: VirtioConsolePortConfiguration(
        id: list["id"], number: try list.number("nr"), name: list["name"],
        attachment: .unixSocketServer(path: list.required("socket")), policy: policy))
  }

  /// A console.
  static func console(_ value: String) throws(ConfigurationError) -> Port {
    let list = try KeyValueList(
      value, option: OptionName.virtconsole, keys: [],
      optionalKeys: ["name", "socket", "file", "id", "bus", "nr", "overflow", "weight"],
      words: ["stdio"],
      example: consoleExample)
    var policy = VirtioConsolePortPolicy()
    policy.overflow = try list.choice("overflow") ?? policy.overflow
    policy.weight = try list.number("weight") ?? policy.weight
    return Port(
      bus: list["bus"],
      configuration: VirtioConsolePortConfiguration(
        id: list["id"], number: try list.number("nr"), name: list["name"], isConsole: true,
        attachment: try attachment(list), policy: policy))
  }

  private static func attachment(
    _ list: KeyValueList
  ) throws(ConfigurationError) -> SerialPortAttachment {
    var attachments: [SerialPortAttachment] = []
    if list["stdio"] != nil { attachments.append(.standardIO) }
    if let path = list["socket"] { attachments.append(.unixSocketServer(path: path)) }
    if let path = list["file"] { attachments.append(.file(path: path)) }
    guard let first = attachments.first else {
      throw list.error("the host end is missing", "add \(consoleExample)")
    }
    guard attachments.count == 1 else {
      throw list.error("a console has one host end", "give one of \(consoleExample)")
    }
    return first
  }
}
