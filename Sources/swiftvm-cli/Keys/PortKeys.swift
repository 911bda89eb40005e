import Control
import SwiftVM

/// The keys of devices and ports: of `--virtio-serial`, `--virtserialport`, `--virtconsole` and
/// `--preset`, and those that `-device` shares with them.
package enum PortKeys {
  /// What every port may have.
  static let common = ["id", "bus", "nr", "weight"]
  /// What a channel may have besides.
  static let channelPolicy = PolicyKey.all.filter { $0.use == .channels }.map(\.name)
  /// What a console may have besides.
  static let consolePolicy = PolicyKey.all.filter { $0.use == .consoles }.map(\.name)

  private static let consoleExample = "stdio, socket=PATH or file=PATH"

  /// The port that the value of an option describes, with a backend of its own.
  ///
  /// - Parameter option: `--virtserialport`, `--virtconsole` or `--preset`.
  package static func port(
    option: String, _ value: String, _ keys: BackendKeys = .standard
  ) throws(UsageError) -> RunRequest.Port {
    let isForPorts = { (row: CommandOption) in row.keys == .shortForm && row.name != "--serial" }
    guard let row = RunOptions.all.first(where: { $0.name == option && isForPorts($0) }) else {
      throw UsageError(
        option, value, "this option makes no port",
        "give --virtserialport, --virtconsole or --preset")
    }
    var reader = RunReader(keys)
    try row.store?(&reader, GivenOption(option: row, spelling: option, value: value))
    return reader.request.ports.first
      ?? RunRequest.Port(
        configuration: VirtioConsolePortConfiguration(name: nil, attachment: .none))
  }

  /// A channel.
  static func channel(
    _ given: GivenOption, _ reader: inout RunReader
  ) throws(UsageError) -> RunRequest.Port {
    let list = try given.list(
      grammar(
        required: ["name"], common + channelPolicy, reader, example: "name=NAME,socket=PATH"))
    let backend = try ShortBackend.read(list, &reader, property: "virtserialport.chardev")
    guard let backend else { throw list.error("the backend is missing", "add e.g. socket=PATH") }
    return try list.port(isConsole: false, attachment: backend)
  }

  /// A console.
  static func console(
    _ given: GivenOption, _ reader: inout RunReader
  ) throws(UsageError) -> RunRequest.Port {
    let list = try given.list(
      grammar(common + consolePolicy + ["name"], reader, example: consoleExample))
    let backend = try ShortBackend.read(list, &reader, property: "virtconsole.chardev")
    guard let backend else {
      throw list.error("the backend is missing", "add e.g. \(consoleExample)")
    }
    return try list.port(isConsole: true, attachment: backend)
  }

  /// A channel that programs look for by its name.
  static func preset(
    _ given: GivenOption, _ reader: inout RunReader
  ) throws(UsageError) -> RunRequest.Port {
    var grammar = grammar(common + channelPolicy, reader, example: "agent,socket=PATH")
    grammar.implied = "preset"
    let list = try given.list(grammar)
    guard let preset: Preset = try list.choice("preset") else {
      throw list.error("the preset's name is missing", "give agent, spice, guestfs or anaconda-log")
    }
    let backend = try ShortBackend.read(list, &reader, property: "virtserialport.chardev")
    var port = try list.port(
      isConsole: false, attachment: backend ?? preset.attachment, standard: preset.policy)
    port.configuration.name = preset.portName
    return port
  }

  private static func grammar(
    required: [String] = [], _ optional: [String], _ reader: RunReader, example: String
  ) -> KeyValueList.Grammar {
    var grammar = KeyValueList.Grammar(required: required, optional: optional, example: example)
    ShortBackend.extend(&grammar, reader.keys)
    return grammar
  }

  /// Channels of well-known programs.
  private enum Preset: String, CaseIterable {
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

  // MARK: Devices

  private enum TransportName: String, CaseIterable { case pci, mmio }

  /// A device, ports apart.
  static func device(_ given: GivenOption) throws(UsageError) -> RunRequest.Device {
    let list = try given.list(
      .init(
        optional: [
          "id", "max-ports", "transport", "disable-legacy", "disable-modern", "packed", "event-idx",
          "indirect-desc", "queue-reset", "multiport", "vectors", "addr", "resize-order",
        ], example: "id=ID,max-ports=N"))
    let transport: TransportName? = try list.choice("transport")
    if transport == .mmio {
      for key in ["disable-legacy", "disable-modern"] where list[key] != nil {
        throw list.error("\"\(key)\" is for devices on PCI", "leave it out")
      }
    }
    var device = try list.device(
      transport == .mmio
        ? .mmio
        : .pci(
          try list.interface(
            disablesLegacy: try list.isOn("disable-legacy"),
            disablesModern: try list.isOn("disable-modern"))), wordsAreJoinedBy: "-")
    device.configuration.features.multiport = try list.isOn("multiport") ?? true
    device.configuration.resizeOrder =
      try list.choice("resize-order") ?? device.configuration.resizeOrder
    return device
  }
}

extension KeyValueList {
  /// The device that the list describes.
  ///
  /// - Parameter joint: what joins the words of a key: `-`, or QEMU's `_`.
  func device(
    _ transport: VirtioConsoleTransport, wordsAreJoinedBy joint: String
  ) throws(UsageError) -> RunRequest.Device {
    var features = VirtioConsoleFeatures()
    features.packedRing = try isOn("packed") ?? features.packedRing
    features.eventIndex = try isOn("event\(joint)idx") ?? features.eventIndex
    features.indirectDescriptors =
      try isOn("indirect\(joint)desc") ?? features.indirectDescriptors
    features.queueReset = try isOn("queue\(joint)reset") ?? features.queueReset
    return RunRequest.Device(
      configuration: VirtioConsoleDeviceConfiguration(
        id: self["id"], ports: [], transport: transport, features: features,
        vectorCount: try number("vectors"), slot: try number("addr", .slot)),
      maximumPortCount: try number("max\(joint)ports"))
  }

  /// The port that the list describes, its backend apart.
  ///
  /// - Parameter standard: what becomes of bytes where the list does not say.
  func port(
    isConsole: Bool, attachment: ChardevConfiguration,
    standard: VirtioConsolePortPolicy = VirtioConsolePortPolicy()
  ) throws(UsageError) -> RunRequest.Port {
    let policy = try PolicyKey.policy(forConsole: isConsole, standard: standard) {
      (key) throws(UsageError) in try value(key.name, key.kind)
    }
    return RunRequest.Port(
      bus: self["bus"],
      configuration: VirtioConsolePortConfiguration(
        id: self["id"], number: try number("nr"), name: self["name"], isConsole: isConsole,
        attachment: attachment, policy: policy))
  }

  /// Which drivers a PCI device is for. Legacy is off, unless it is all that is left.
  func interface(
    disablesLegacy: Bool?, disablesModern: Bool?
  ) throws(UsageError) -> VirtioConsoleTransport.PCIInterface {
    let hasModern = !(disablesModern ?? false)
    let hasLegacy = !(disablesLegacy ?? hasModern)
    switch (hasModern, hasLegacy) {
    case (true, false): return .modern
    case (true, true): return .transitional
    case (false, true): return .legacy
    case (false, false):
      throw error(
        "device cannot work as neither modern nor legacy mode is enabled",
        "set either disable-modern or disable-legacy to off")
    }
  }
}
