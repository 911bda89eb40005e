import SwiftVM

// The values of --virtio-serial, --virtserialport, --virtconsole and --preset.

extension RunRequest {
  private static let deviceExample = "id=ID,max-ports=N"
  private static let portExample = "name=NAME,socket=PATH"
  private static let consoleExample = "stdio, socket=PATH or file=PATH"

  /// A device, ports apart.
  static func device(_ value: String) throws(ConfigurationError) -> Device {
    let list = try KeyValueList(
      value, option: OptionName.virtioSerial,
      .init(
        optional: [
          "id", "max-ports", "transport", "disable-legacy", "disable-modern", "packed", "event-idx",
          "indirect-desc", "queue-reset", "multiport", "vectors", "addr", "resize-order",
        ], example: deviceExample))
    var features = VirtioConsoleFeatures()
    features.packedRing = try list.isOn("packed") ?? features.packedRing
    features.eventIndex = try list.isOn("event-idx") ?? features.eventIndex
    features.indirectDescriptors = try list.isOn("indirect-desc") ?? features.indirectDescriptors
    features.queueReset = try list.isOn("queue-reset") ?? features.queueReset
    features.multiport = try list.isOn("multiport") ?? features.multiport
    var configuration = VirtioConsoleDeviceConfiguration(
      id: list["id"], ports: [], transport: try transport(list), features: features,
      vectorCount: try list.number("vectors"), slot: try list.slot("addr"))
    configuration.resizeOrder = try list.choice("resize-order") ?? configuration.resizeOrder
    return Device(
      configuration: configuration,
      maximumPortCount: try list.number("max-ports"))
  }

  private enum TransportName: String, CaseIterable { case pci, mmio }

  private static func transport(
    _ list: KeyValueList
  ) throws(ConfigurationError) -> VirtioConsoleTransport {
    let name: TransportName? = try list.choice("transport")
    guard name != .mmio else {
      for key in ["disable-legacy", "disable-modern"] where list[key] != nil {
        throw list.error("\"\(key)\" is for devices on PCI", "leave it out")
      }
      return .mmio
    }
    return .pci(
      try list.interface(
        disablesLegacy: try list.isOn("disable-legacy"),
        disablesModern: try list.isOn("disable-modern")))
  }

  /// A port of one of the options that make one, with a host end of its own.
  package static func port(
    option: String, _ value: String
  ) throws(ConfigurationError) -> Port {
    var table = HostEndTable()
    switch option {
    case OptionName.virtserialport: return try port(value, &table)
    case OptionName.virtconsole: return try console(value, &table)
    case OptionName.preset: return try preset(value, &table)
    default:
      throw ConfigurationError(
        option: option, value: value, problem: "this option makes no port",
        remedy:
          "give \(OptionName.virtserialport), \(OptionName.virtconsole) or \(OptionName.preset)"
      )
    }
  }

  /// A channel.
  static func port(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> Port {
    let list = try KeyValueList(
      value, option: OptionName.virtserialport,
      grammar(required: ["name"], optional: channelKeys, example: portExample))
    guard let end = try ShortHostEnd.read(list, &table, property: "virtserialport.chardev") else {
      throw list.error("the host end is missing", "add e.g. socket=PATH")
    }
    return try list.port(isConsole: false, attachment: end)
  }

  /// A console.
  static func console(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> Port {
    let list = try KeyValueList(
      value, option: OptionName.virtconsole,
      grammar(optional: consoleKeys + ["name"], example: consoleExample))
    guard let end = try ShortHostEnd.read(list, &table, property: "virtconsole.chardev") else {
      throw list.error("the host end is missing", "add e.g. \(consoleExample)")
    }
    return try list.port(isConsole: true, attachment: end)
  }

  /// A channel that programs look for by its name.
  static func preset(
    _ value: String, _ table: inout HostEndTable
  ) throws(ConfigurationError) -> Port {
    var grammar = grammar(optional: channelKeys, example: "agent,socket=PATH")
    grammar.implied = "preset"
    let list = try KeyValueList(value, option: OptionName.preset, grammar)
    guard let preset: PortPreset = try list.choice("preset") else {
      throw list.error("the preset's name is missing", "give agent, spice, guestfs or anaconda-log")
    }
    let end = try ShortHostEnd.read(list, &table, property: "virtserialport.chardev")
    var port = try list.port(
      isConsole: false, attachment: end ?? preset.attachment, standard: preset.policy)
    port.configuration.name = preset.portName
    return port
  }

  private static let channelKeys = KeyValueList.portKeys + KeyValueList.channelPolicyKeys
  private static let consoleKeys = KeyValueList.portKeys + KeyValueList.consolePolicyKeys

  private static func grammar(
    required: [String] = [], optional: [String], example: String
  ) -> KeyValueList.Grammar {
    var grammar = KeyValueList.Grammar(required: required, optional: optional, example: example)
    ShortHostEnd.extend(&grammar)
    return grammar
  }
}

/// Channels of well-known programs.
enum PortPreset: String, CaseIterable {
  case agent
  case spice
  case guestfs
  case anacondaLog = "anaconda-log"

  /// The name that the program in the guest looks for.
  var portName: String {
    switch self {
    case .agent: "org.qemu.guest_agent.0"
    case .spice: "com.redhat.spice.0"
    case .guestfs: "org.libguestfs.channel.0"
    case .anacondaLog: "org.fedoraproject.anaconda.log.0"
    }
  }

  /// Where nothing else is said. Programs that answer requests are to answer the client that is
  /// there, not the ones before it. The guest agent spins where it has no client to write to.
  var policy: VirtioConsolePortPolicy {
    var policy = VirtioConsolePortPolicy()
    guard self != .anacondaLog else { return policy }
    policy.early = .drop
    policy.onHostClose = .discard
    if self == .agent { policy.drainMilliseconds = 500 }
    return policy
  }

  /// Where nothing else is said: in the current directory, under the port's name.
  var attachment: ChardevConfiguration {
    self == .anacondaLog ? .file(path: portName) : .unixSocketServer(path: portName)
  }
}
