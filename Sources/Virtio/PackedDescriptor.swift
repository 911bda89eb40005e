import GuestMemory

/// One entry of a packed ring or of its indirect tables, fetched from guest memory once (virtio 1.2,
/// 2.8.1 and 2.8.13).
struct PackedDescriptor {
  static let stride = 16

  let address: UInt64
  let length: UInt32
  let id: UInt16
  let flags: Flags

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The chain goes on in the next entry.
    static let next = Flags(rawValue: 1)
    /// The device writes the buffer; in a used entry, the device has written something.
    static let write = Flags(rawValue: 2)
    /// The buffer is a table of descriptors.
    static let indirect = Flags(rawValue: 4)
    /// The driver's mark: its wrap counter when the entry was made available.
    static let available = Flags(rawValue: 1 << 7)
    /// The device's mark: equal to the driver's once the entry is used.
    static let used = Flags(rawValue: 1 << 15)
    static let defined: Flags = [.next, .write, .indirect, .available, .used]
  }

  /// Fetches entry `index`, which lies in the table. What the driver wrote before the flags is seen
  /// as it was then, or newer.
  init(table: UnsafeRawPointer, index: Int) {
    let entry = table + index &* Self.stride
    let rest = UInt64(littleEndian: GuestWord.loadAcquire64(entry + 8))
    length = UInt32(truncatingIfNeeded: rest)
    id = UInt16(truncatingIfNeeded: rest >> 32)
    flags = Flags(rawValue: UInt16(truncatingIfNeeded: rest >> 48))
    address = UInt64(littleEndian: GuestWord.load64(entry))
  }

  /// Whether the driver has made it available in a lap with this wrap counter (2.8.1).
  func isAvailable(wrapCounter: Bool) -> Bool {
    flags.contains(.available) == wrapCounter && flags.contains(.used) != wrapCounter
  }

  /// The second half of a used entry: how many bytes were written, in which buffer, and both marks
  /// as the device's wrap counter has them (2.8.6, 2.8.8).
  static func used(id: UInt16, written: UInt32, wrapCounter: Bool) -> UInt64 {
    var flags: Flags = wrapCounter ? [.available, .used] : []
    if written > 0 { flags.insert(.write) }
    return UInt64(written) | UInt64(id) << 32 | UInt64(flags.rawValue) << 48
  }
}
