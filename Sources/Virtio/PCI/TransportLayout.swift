import Devices

/// Where the parts of a virtio-pci device lie in its BARs, and the capabilities that tell the
/// driver (virtio 1.2, 4.1.4).
struct TransportLayout {
  /// The part of the memory BAR an offset falls into.
  enum Part: Equatable {
    case common, isr, device, notify, messageTable, pendingBits
  }

  /// Bytes between two queues' notify addresses.
  static let notifyMultiplier: UInt64 = 4

  let commonRange: Range<UInt64> = 0..<UInt64(CommonConfiguration.length)
  let isrRange: Range<UInt64> = 0x1000..<0x1004
  let deviceRange: Range<UInt64>
  let pendingBitsRange: Range<UInt64>
  let messageTableRange: Range<UInt64>
  let notifyRange: Range<UInt64>

  /// The BAR of all the above, placed anywhere in memory.
  let memoryRegister: BaseAddressRegister
  /// The BAR of the legacy registers, if the function has them.
  let portRegister: BaseAddressRegister?

  private let interface: PCIInterface

  /// A legacy driver finds its registers in BAR 0, so the memory BAR makes way for them (4.1.4.10).
  init(
    interface: PCIInterface, configurationLength: Int, queueCount: Int, messages: MSIXTable?
  ) {
    func range(_ start: UInt64, _ count: Int) -> Range<UInt64> { start..<start + UInt64(count) }
    self.interface = interface
    deviceRange = range(0x2000, (configurationLength + 3) & ~3)
    pendingBitsRange = range(0x3000, messages?.pendingBitsSize ?? 0)
    messageTableRange = range(0x4000, messages?.tableSize ?? 0)
    let notifyStart = (messageTableRange.upperBound + 0xfff) & ~0xfff
    notifyRange = range(notifyStart, queueCount * Int(Self.notifyMultiplier))
    memoryRegister = BaseAddressRegister(
      index: interface.hasLegacy ? 4 : 0, kind: .memory64,
      size: Self.powerOfTwo(atLeast: notifyRange.upperBound, from: 0x8000))
    let portLength = UInt64(LegacyConfiguration.longestLength + configurationLength)
    portRegister =
      interface.hasLegacy
      ? BaseAddressRegister(
        index: 0, kind: .io, size: Self.powerOfTwo(atLeast: portLength, from: 32)) : nil
  }

  private static func powerOfTwo(atLeast count: UInt64, from smallest: UInt64) -> UInt64 {
    var size = smallest
    while size < count { size <<= 1 }
    return size
  }

  /// All BARs.
  var registers: [BaseAddressRegister] { [memoryRegister] + (portRegister.map { [$0] } ?? []) }

  /// The part of the memory BAR in which an access lies wholly, and the offset there.
  func locate(_ offset: UInt64, width: Int) -> (part: Part, offset: UInt64)? {
    let structures: [(Range<UInt64>, Part)] = [
      (notifyRange, .notify), (commonRange, .common), (isrRange, .isr), (deviceRange, .device),
    ]
    let messages: [(Range<UInt64>, Part)] = [
      (messageTableRange, .messageTable), (pendingBitsRange, .pendingBits),
    ]
    for (range, part) in interface.hasModern ? structures + messages : messages
    where range.contains(offset) {
      guard offset + UInt64(width) <= range.upperBound else { return nil }
      return (part, offset - range.lowerBound)
    }
    return nil
  }

  /// The MSI-X capability.
  func messageCapability(_ vectorCount: Int) -> PCICapability {
    .msix(
      vectorCount: vectorCount, bar: memoryRegister.index, table: messageTableRange.lowerBound,
      pendingBits: pendingBitsRange.lowerBound)
  }

  /// The five vendor capabilities, in the order of their types; none for legacy drivers only.
  var capabilities: [PCICapability] {
    guard interface.hasModern else { return [] }
    return [
      capability(type: 1, commonRange), capability(type: 2, notifyRange, notify: true),
      capability(type: 3, isrRange), capability(type: 4, deviceRange), Self.windowCapability,
    ]
  }

  private func capability(
    type: UInt8, _ range: Range<UInt64>, notify: Bool = false
  ) -> PCICapability {
    let length: UInt8 = notify ? 20 : 16
    var body = [length, type, UInt8(memoryRegister.index), 0, 0, 0]
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
