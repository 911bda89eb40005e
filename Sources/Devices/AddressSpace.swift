import Synchronization

/// A fixed device was put where another one already is.
package struct AddressSpaceConflict: Error, Equatable, Sendable, CustomStringConvertible {
  /// The address space's name.
  package let space: String
  /// The range asked for.
  package let range: Range<UInt64>
  /// The range that has the place.
  package let occupied: Range<UInt64>

  /// One line for the log.
  package var description: String {
    "\(space): \(text(range)) overlaps \(text(occupied))"
  }

  private func text(_ range: Range<UInt64>) -> String {
    "0x\(String(range.lowerBound, radix: 16))–0x\(String(range.upperBound &- 1, radix: 16))"
  }
}

/// Who answers at which port or memory-mapped address.
///
/// Where nothing answers, and where an access reaches over the end of a range, reads give all ones
/// and writes are dropped. The space's lock is held for the look-up only, never while a device
/// runs, so a device may move its own ranges from within an access; an access that began before a
/// range was removed may still be on its way in the device after that. Callable on any thread.
package final class AddressSpace: Sendable {
  /// For messages: "ports", "memory".
  package let name: String
  private let table = Mutex(AddressTable())

  /// An empty space.
  package init(name: String) {
    self.name = name
  }

  /// Puts a device at a fixed, non-empty range.
  ///
  /// Throws, and changes nothing, where the range overlaps a visible one.
  package func add(
    _ range: Range<UInt64>, device: any AddressSpaceDevice
  ) throws(AddressSpaceConflict) {
    precondition(!range.isEmpty)
    let occupied = table.withLock { table in
      let occupied = table.overlap(with: range)
      if occupied == nil { table.insert(range, device) }
      return occupied
    }
    if let occupied {
      throw AddressSpaceConflict(space: name, range: range, occupied: occupied)
    }
  }

  /// Takes the device's range away; nothing happens if it has no such range.
  package func remove(_ range: Range<UInt64>, device: any AddressSpaceDevice) {
    table.withLock { $0.remove(range, device) }
  }

  /// Moves a range the guest places, in one step; nil means nowhere.
  ///
  /// Where ranges overlap, the one that was there first answers the accesses; the newcomer is not
  /// visible at all until every range in its way has gone.
  package func move(
    _ device: any AddressSpaceDevice, from old: Range<UInt64>?, to new: Range<UInt64>?
  ) {
    table.withLock { table in
      if let old { table.remove(old, device) }
      if let new, !new.isEmpty { table.insert(new, device) }
    }
  }

  /// The value read by an access of `width` bytes; bits above them are zero.
  ///
  /// Any width from 1 to 8, whatever its alignment.
  package func read(address: UInt64, width: Int) -> UInt64 {
    guard let target = target(address, width) else { return .allOnes(width: width) }
    if width.nonzeroBitCount == 1 {
      return target.device.read(offset: target.offset, width: width) & .allOnes(width: width)
    }
    return AccessPieces(offset: target.offset, width: width, widest: 4).reduce(0) { value, piece in
      value | piece.placed(target.device.read(offset: piece.offset, width: piece.width))
    }
  }

  /// Writes the low `width` bytes of `value`; any width from 1 to 8.
  package func write(address: UInt64, width: Int, value: UInt64) {
    guard let target = target(address, width) else { return }
    if width.nonzeroBitCount == 1 {
      let value = value & .allOnes(width: width)
      return target.device.write(offset: target.offset, width: width, value: value)
    }
    for piece in AccessPieces(offset: target.offset, width: width, widest: 4) {
      target.device.write(
        offset: piece.offset, width: piece.width, value: piece.part(of: value))
    }
  }

  private func target(
    _ address: UInt64, _ width: Int
  ) -> (device: any AddressSpaceDevice, offset: UInt64)? {
    guard 1...8 ~= width else { return nil }
    guard let mapping = table.withLock({ $0.lookup(address) }) else { return nil }
    guard UInt64(width) <= mapping.range.upperBound &- address else { return nil }
    return (mapping.device, address &- mapping.range.lowerBound)
  }
}
