import GuestMemory

/// One entry of a descriptor table, fetched from guest memory once (virtio 1.2, 2.7.5).
struct Descriptor {
  static let stride = 16

  let address: UInt64
  let length: UInt32
  let flags: Flags
  let next: UInt16

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The chain goes on at `next`.
    static let next = Flags(rawValue: 1)
    /// The device writes the buffer; otherwise it reads it.
    static let write = Flags(rawValue: 2)
    /// The buffer is a table of descriptors.
    static let indirect = Flags(rawValue: 4)
    static let defined: Flags = [.next, .write, .indirect]
  }

  /// Fetches entry `index`; the caller has checked that it lies in the table.
  init(table: UnsafeRawPointer, index: Int) {
    let entry = table + index &* Self.stride
    address = UInt64(littleEndian: GuestWord.load64(entry))
    let rest = UInt64(littleEndian: GuestWord.load64(entry + 8))
    length = UInt32(truncatingIfNeeded: rest)
    flags = Flags(rawValue: UInt16(truncatingIfNeeded: rest >> 32))
    next = UInt16(truncatingIfNeeded: rest >> 48)
  }
}
