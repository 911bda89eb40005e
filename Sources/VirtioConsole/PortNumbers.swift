/// Which port numbers of a device are taken, and the rules by which they are given out.
///
/// Number 0 is for consoles alone, and the first console that asks for no number gets it: it is all
/// that a driver without MULTIPORT sees. Everybody else without a wish gets the lowest free one.
package struct PortNumbers: Sendable {
  /// The most ports a device can have: each has two queues, the control channel two more, and the
  /// driver names a queue by 16 bits, of which 0xffff is no queue.
  package static let portLimit = 32766

  /// Numbers are below this.
  package let limit: Int
  private var taken: [Bool] = []
  /// No number below this one, 0 apart, is free.
  private var lowestFree = 1

  /// - Parameter limit: how many numbers there are; brought into 1...`portLimit`.
  package init(limit: Int) {
    self.limit = min(max(limit, 1), Self.portLimit)
  }

  /// The number the port asks for, or the one it gets without asking; nobody else gets it until
  /// `release`.
  package mutating func take(for configuration: PortConfiguration) throws(PortError) -> UInt32 {
    guard let wanted = configuration.number else {
      return try takeFree(isConsole: configuration.isConsole)
    }
    guard wanted != 0 || configuration.isConsole else { throw .numberReserved }
    guard !isTaken(Int(wanted)) else { throw .numberTaken(wanted) }
    guard wanted < limit else { throw .numberOutOfRange(maximum: UInt32(limit - 1)) }
    mark(Int(wanted))
    return wanted
  }

  /// Makes a number free again.
  package mutating func release(_ number: UInt32) {
    let number = Int(number)
    guard isTaken(number) else { return }
    taken[number] = false
    if number > 0 { lowestFree = min(lowestFree, number) }
  }

  private mutating func takeFree(isConsole: Bool) throws(PortError) -> UInt32 {
    if isConsole, !isTaken(0) {
      mark(0)
      return 0
    }
    while isTaken(lowestFree) { lowestFree += 1 }
    guard lowestFree < limit else { throw .noFreeNumber }
    mark(lowestFree)
    return UInt32(lowestFree)
  }

  private func isTaken(_ number: Int) -> Bool {
    taken.indices.contains(number) && taken[number]
  }

  private mutating func mark(_ number: Int) {
    while taken.count <= number { taken.append(false) }
    taken[number] = true
  }
}
