import Control
import SwiftVM

/// A key of a virtio-serial device, as a row: how `--virtio-serial` and QEMU's `-device` call it, what its
/// value is, and where it is stored.
struct DeviceKey: Sendable {
  let name: String
  /// Its name in `-device`; nil for one that QEMU does not have.
  let qemuName: String?
  private let kind: ValueKind
  private let store: @Sendable (KeyValue, inout RunRequest.Device) -> Void

  static let all = [
    DeviceKey("id", .text) { if case .text(let id) = $0 { $1.configuration.id = id } },
    DeviceKey("max-ports", qemu: "max_ports", .number) {
      if case .number(let count) = $0 { $1.maximumPortCount = count }
    },
    DeviceKey("vectors", .number) {
      if case .number(let count) = $0 { $1.configuration.vectorCount = count }
    },
    DeviceKey("addr", .slot) { if case .number(let slot) = $0 { $1.configuration.slot = slot } },
    DeviceKey("packed", \.packedRing), DeviceKey("event-idx", qemu: "event_idx", \.eventIndex),
    DeviceKey("indirect-desc", qemu: "indirect_desc", \.indirectDescriptors),
    DeviceKey("queue-reset", qemu: "queue_reset", \.queueReset),
    DeviceKey("multiport", isQEMUs: false, \.multiport),
    DeviceKey(
      "resize-order", isQEMUs: false, .choice(VirtioConsoleResizeOrder.allCases.map(\.rawValue))
    ) { value, device in
      guard case .text(let word) = value else { return }
      if let order = VirtioConsoleResizeOrder(rawValue: word) {
        device.configuration.resizeOrder = order
      }
    },
  ]

  private init(
    _ name: String, qemu qemuName: String? = nil, isQEMUs: Bool = true, _ kind: ValueKind,
    store: @escaping @Sendable (KeyValue, inout RunRequest.Device) -> Void
  ) {
    self.name = name
    self.qemuName = isQEMUs ? qemuName ?? name : nil
    self.kind = kind
    self.store = store
  }

  /// A feature that is on or off.
  private init(
    _ name: String, qemu qemuName: String? = nil, isQEMUs: Bool = true,
    _ place: any WritableKeyPath<VirtioConsoleFeatures, Bool> & Sendable
  ) {
    self.init(name, qemu: qemuName, isQEMUs: isQEMUs, .flag) { value, device in
      if case .flag(let isOn) = value { device.configuration.features[keyPath: place] = isOn }
    }
  }

  /// The keys that only a device on PCI has, beside its slot and vectors.
  static let interface = ["disable-legacy", "disable-modern"]

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
