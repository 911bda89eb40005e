import Synchronization

/// What answers accesses in a range of port or memory-mapped addresses.
///
/// Called on vCPU threads, several at once; an implementation has its own lock. `width` is 1, 2, 4
/// or 8 bytes and `offset + width` never exceeds the range's size.
package protocol AddressSpaceDevice: AnyObject, Sendable {
  /// The value read; bits above `width` bytes are ignored.
  func read(offset: UInt64, width: Int) -> UInt64
  /// Bits of `value` above `width` bytes are zero.
  func write(offset: UInt64, width: Int, value: UInt64)
}

/// A device was put at a fixed range that overlaps another device's.
package struct AddressSpaceConflict: Error, Equatable, Sendable, CustomStringConvertible {
  /// The address space's name.
  package let space: String
  /// The range asked for.
  package let range: Range<UInt64>
  /// The range of the device that is there already.
  package let occupied: Range<UInt64>

  /// One line for the log.
  package var description: String {
    "\(space): \(text(range)) overlaps \(text(occupied))"
  }

  private func text(_ range: Range<UInt64>) -> String {
    "0x\(String(range.lowerBound, radix: 16))–0x\(String(range.upperBound &- 1, radix: 16))"
  }
}

/// The address spaces in which a machine's processors find its devices.
package final class IOBus: Sendable {
  /// The ports, 16 bits of address.
  package let ports = AddressSpace(name: "ports")
  /// Guest-physical addresses without RAM.
  package let memory = AddressSpace(name: "memory")

  /// Two empty spaces.
  package init() {}
}

/// Which device answers at which port or memory-mapped address.
///
/// Without a device at an address, and for an access that exceeds its range, reads give all ones and
/// writes are dropped. The space's lock is held only for the look-up and not while a device runs, so
/// a device may move its own ranges within an access. An access that began before a range was
/// removed may still reach the device afterwards. Callable on any thread.
package final class AddressSpace: Sendable {
  private let name: String
  private let table = Mutex(Table())

  /// An empty space.
  ///
  /// - Parameter name: for messages: "ports", "memory".
  package init(name: String) {
    self.name = name
  }

  /// Puts a device at a fixed, non-empty range.
  ///
  /// - Throws: if the range overlaps a visible one, and then changes nothing.
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

  /// Removes the device's range; nothing happens if it has no such range.
  package func remove(_ range: Range<UInt64>, device: any AddressSpaceDevice) {
    table.withLock { $0.remove(range, device) }
  }

  /// Moves a range that the guest places, in one step; nil means nowhere.
  ///
  /// Of overlapping ranges the earliest answers. A later one stays invisible as a whole until every
  /// range that it overlaps has gone.
  package func move(
    _ device: any AddressSpaceDevice, from old: Range<UInt64>?, to new: Range<UInt64>?
  ) {
    table.withLock { table in
      if let old { table.remove(old, device) }
      if let new, !new.isEmpty { table.insert(new, device) }
    }
  }

  /// The value read by an access of 1 to 8 bytes at any alignment; bits above them are zero.
  package func read(address: UInt64, width: Int) -> UInt64 {
    guard let target = target(address, width) else { return .allOnes(width: width) }
    if width.nonzeroBitCount == 1 {
      return target.device.read(offset: target.offset, width: width) & .allOnes(width: width)
    }
    return AccessPieces(offset: target.offset, width: width, widest: 4)
      .read { target.device.read(offset: $0, width: $1) }
  }

  /// Writes the low `width` bytes of `value`, 1 to 8 of them, at any alignment.
  package func write(address: UInt64, width: Int, value: UInt64) {
    guard let target = target(address, width) else { return }
    if width.nonzeroBitCount == 1 {
      let value = value & .allOnes(width: width)
      return target.device.write(offset: target.offset, width: width, value: value)
    }
    AccessPieces(offset: target.offset, width: width, widest: 4)
      .write(value) { target.device.write(offset: $0, width: $1, value: $2) }
  }

  private func target(
    _ address: UInt64, _ width: Int
  ) -> (device: any AddressSpaceDevice, offset: UInt64)? {
    guard 1...8 ~= width else { return nil }
    guard let mapping = table.withLock({ $0.lookup(address) }) else { return nil }
    guard UInt64(width) <= mapping.range.upperBound &- address else { return nil }
    return (mapping.device, address &- mapping.range.lowerBound)
  }

  /// The visible ranges, sorted and without overlaps, and the waiting ones in order of arrival.
  private struct Table {
    struct Mapping {
      let range: Range<UInt64>
      let device: any AddressSpaceDevice
    }

    private var visible: [Mapping] = []
    private var waiting: [Mapping] = []

    func lookup(_ address: UInt64) -> Mapping? {
      let index = firstIndex(above: address)
      guard index > 0, visible[index - 1].range.contains(address) else { return nil }
      return visible[index - 1]
    }

    /// A visible range that has addresses in common with `range`.
    func overlap(with range: Range<UInt64>) -> Range<UInt64>? {
      let index = firstIndex(above: range.lowerBound)
      return visible[max(index - 1, 0)..<min(index + 1, visible.count)]
        .first { $0.range.overlaps(range) }?.range
    }

    mutating func insert(_ range: Range<UInt64>, _ device: any AddressSpaceDevice) {
      let mapping = Mapping(range: range, device: device)
      if overlap(with: range) == nil {
        visible.insert(mapping, at: firstIndex(above: range.lowerBound))
      } else {
        waiting.append(mapping)
      }
    }

    mutating func remove(_ range: Range<UInt64>, _ device: any AddressSpaceDevice) {
      func isIt(_ mapping: Mapping) -> Bool { mapping.range == range && mapping.device === device }
      if let index = waiting.firstIndex(where: isIt) {
        waiting.remove(at: index)
      } else if let index = visible.firstIndex(where: isIt) {
        visible.remove(at: index)
        let candidates = waiting
        waiting = []
        for candidate in candidates { insert(candidate.range, candidate.device) }
      }
    }

    private func firstIndex(above address: UInt64) -> Int {
      var low = 0
      var high = visible.count
      while low < high {
        let middle = (low + high) / 2
        if visible[middle].range.lowerBound > address { high = middle } else { low = middle + 1 }
      }
      return low
    }
  }
}
