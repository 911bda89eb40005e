/// The ranges of one address space: the visible ones, sorted and without overlaps, and those that
/// wait for their place, in order of arrival.
struct AddressTable {
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
    if let index = waiting.firstIndex(where: { $0.range == range && $0.device === device }) {
      waiting.remove(at: index)
    } else if let index = visible.firstIndex(where: { $0.range == range && $0.device === device }) {
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
