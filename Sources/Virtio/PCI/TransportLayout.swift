import Devices

/// Where the parts of a virtio-pci device lie in its one memory BAR, and the capabilities that tell
/// the driver (virtio 1.2, 4.1.4).
struct TransportLayout {
  /// The part of the BAR an offset falls into.
  enum Part: Equatable {
    case common, isr, device, notify, messageTable, pendingBits
  }

  /// The index of the BAR.
  static let bar = 0
  /// Bytes between two queues' notify addresses.
  static let notifyMultiplier: UInt64 = 4

  let commonRange: Range<UInt64> = 0..<UInt64(CommonConfiguration.length)
  let isrRange: Range<UInt64> = 0x1000..<0x1004
  let deviceRange: Range<UInt64>
  let pendingBitsRange: Range<UInt64>
  let messageTableRange: Range<UInt64>
  let notifyRange: Range<UInt64>

  init(configurationLength: Int, queueCount: Int, messages: MSIXTable) {
    func range(_ start: UInt64, _ count: Int) -> Range<UInt64> { start..<start + UInt64(count) }
    deviceRange = range(0x2000, (configurationLength + 3) & ~3)
    pendingBitsRange = range(0x3000, messages.pendingBitsSize)
    messageTableRange = range(0x4000, messages.tableSize)
    let notifyStart = (messageTableRange.upperBound + 0xfff) & ~0xfff
    notifyRange = range(notifyStart, queueCount * Int(Self.notifyMultiplier))
  }

  /// The BAR: a power of two that holds everything, placed anywhere in memory.
  var baseAddressRegister: BaseAddressRegister {
    var size: UInt64 = 0x8000
    while size < notifyRange.upperBound { size <<= 1 }
    return BaseAddressRegister(index: Self.bar, kind: .memory64, size: size)
  }

  /// The part in which an access lies wholly, and the offset there.
  func locate(_ offset: UInt64, width: Int) -> (part: Part, offset: UInt64)? {
    let parts: [(Range<UInt64>, Part)] = [
      (notifyRange, .notify), (commonRange, .common), (isrRange, .isr), (deviceRange, .device),
      (messageTableRange, .messageTable), (pendingBitsRange, .pendingBits),
    ]
    for (range, part) in parts where range.contains(offset) {
      guard offset + UInt64(width) <= range.upperBound else { return nil }
      return (part, offset - range.lowerBound)
    }
    return nil
  }

  /// The five vendor capabilities, in the order of their types.
  var capabilities: [PCICapability] {
    [
      capability(type: 1, commonRange), capability(type: 2, notifyRange, notify: true),
      capability(type: 3, isrRange), capability(type: 4, deviceRange), Self.windowCapability,
    ]
  }

  private func capability(
    type: UInt8, _ range: Range<UInt64>, notify: Bool = false
  ) -> PCICapability {
    let length: UInt8 = notify ? 20 : 16
    var body = [length, type, UInt8(Self.bar), 0, 0, 0]
    body += Self.bytes(UInt32(range.lowerBound)) + Self.bytes(UInt32(range.count))
    if notify { body += Self.bytes(UInt32(Self.notifyMultiplier)) }
    return PCICapability(id: 9, body: body)
  }

  /// VIRTIO_PCI_CAP_PCI_CFG: bar, offset, length and data are the driver's to write.
  private static var windowCapability: PCICapability {
    PCICapability(
      id: 9, body: [20, 5] + Array(repeating: 0, count: 16),
      writable: [0, 0, 0xff, 0, 0, 0] + Array(repeating: 0xff, count: 12))
  }

  private static func bytes(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
  }
}
