import Control
import SwiftVM

/// A key of a virtio-serial device, as a row: how `--virtio-serial` and QEMU's `-device` call it, what its
/// value is, and where it is stored.
struct DeviceKey: Sendable {
  let name: String
  /// Its name in `-device`; nil for one that QEMU does not have.
  let qemuName: String?
  /// The key as it is typed, with what stands for its value, and its explanation; unwrapped.
  let entry: (usage: String, help: String)
  private let kind: ValueKind
  private let store: @Sendable (KeyValue, inout RunRequest.Device) -> Void

  static let all = [
    DeviceKey("id", .text, "ID", "Its name, for bus=ID.0.") { $1.configuration.id = $0.text },
    DeviceKey(
      "max-ports", qemu: "max_ports", .number, "1...32766",
      "How many port numbers it has, number 0 included. Default: as many as its ports need, at"
        + " least 31."
    ) { $1.maximumPortCount = $0.number },
    DeviceKey(
      "vectors", .number, "0...2048",
      "MSI-X vectors of a PCI device. Default: one for each queue and one more; 2 where several"
        + " devices would want more than 160 together."
    ) { $1.configuration.vectorCount = $0.number },
    DeviceKey(
      "addr", .slot, "0x1...0x1f",
      "Its slot on the PCI bus. Default: the lowest that no device asks for."
    ) { $1.configuration.slot = $0.number },
    DeviceKey("packed", \.packedRing, "Whether packed rings are offered. Default: off."),
    DeviceKey("event-idx", qemu: "event_idx", \.eventIndex, feature),
    DeviceKey("indirect-desc", qemu: "indirect_desc", \.indirectDescriptors, feature),
    DeviceKey("queue-reset", qemu: "queue_reset", \.queueReset, feature),
    DeviceKey("multiport", isQEMUs: false, \.multiport, feature),
    DeviceKey(
      "resize-order", isQEMUs: false, .choice(VirtioConsoleResizeOrder.allCases.map(\.rawValue)),
      "spec|legacy",
      "The order in which a console is told rows and columns. legacy is for Linux before 2025,"
        + " which takes rows for columns. Default: spec."
    ) {
      if let order = VirtioConsoleResizeOrder(rawValue: $0.text) {
        $1.configuration.resizeOrder = order
      }
    },
  ]

  private static let feature = "Whether the feature is offered. Default: on."

  private init(
    _ name: String, qemu qemuName: String? = nil, isQEMUs: Bool = true, _ kind: ValueKind,
    _ value: String, _ help: String,
    store: @escaping @Sendable (KeyValue, inout RunRequest.Device) -> Void
  ) {
    self.name = name
    self.qemuName = isQEMUs ? qemuName ?? name : nil
    entry = (name + "=" + value, help)
    self.kind = kind
    self.store = store
  }

  /// A feature that is on or off.
  private init(
    _ name: String, qemu qemuName: String? = nil, isQEMUs: Bool = true,
    _ place: any WritableKeyPath<VirtioConsoleFeatures, Bool> & Sendable, _ help: String
  ) {
    self.init(name, qemu: qemuName, isQEMUs: isQEMUs, .flag, "on|off", help) { value, device in
      device.configuration.features[keyPath: place] = value.isOn
    }
  }

  /// The keys that only a device on PCI has, beside its slot and vectors.
  static let interface = ["disable-legacy", "disable-modern"]

  /// What the help says of all keys of `--virtio-serial`.
  static let entries =
    [
      (usage: "transport=pci|mmio", help: "Where the guest finds it. Default: pci."),
      (
        interface.map { $0 + "=on|off" }.joined(separator: ", "),
        "Which drivers a PCI device is for: those of virtio 1.0 and later, those before, or both."
          + " Default: on and off, modern alone."
      ),
    ] + all.map(\.entry)

  private enum TransportName: String, CaseIterable { case pci, mmio }

  /// `--virtio-serial`.
  static func device(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try given.list(
      .init(
        optional: ["transport"] + interface + all.map(\.name), example: "id=ID,max-ports=N"))
    let transport: TransportName? = try list.choice("transport")
    if transport == .mmio, let key = interface.first(where: { list[$0] != nil }) {
      throw list.error("\"\(key)\" is for devices on PCI", "leave it out")
    }
    try add(
      list, transport == .mmio ? .mmio : .pci(try list.interface()), to: &reader, names: \.name)
  }

  /// Adds the device that a list describes.
  ///
  /// - Parameter names: what the keys are called in the list.
  static func add(
    _ list: KeyValueList, _ transport: VirtioConsoleTransport, to reader: inout RunReader,
    names: (DeviceKey) -> String?
  ) throws(UsageError) {
    var device = RunRequest.Device()
    device.configuration.transport = transport
    for key in all {
      guard let name = names(key), let value = try list.value(name, key.kind) else { continue }
      key.store(value, &device)
    }
    reader.request.devices.append(device)
  }
}

extension KeyValueList {
  /// Which drivers a PCI device is for. Legacy is off, unless it is all that is left.
  ///
  /// - Parameter isTransitional: whether legacy is on where the list does not say.
  func interface(isTransitional: Bool = false) throws(UsageError)
    -> VirtioConsoleTransport.PCIInterface
  {
    let isAutomatic = self["disable-legacy"] == "auto"
    let disablesLegacy = isAutomatic ? nil : try isOn("disable-legacy")
    let hasModern = !(try isOn("disable-modern") ?? false)
    let hasLegacy = !(disablesLegacy ?? (isTransitional ? false : hasModern))
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
