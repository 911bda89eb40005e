/// A device's ports, by number and by queue (virtio 1.2, 5.3.2): port 0 has queues 0 and 1, the
/// control channel 2 and 3, port n ≥ 1 has 2n + 2 and 2n + 3.
///
/// Finding a port costs the same however many there are, and room is taken up to the highest number
/// in use only.
struct PortTable {
  private var numbers: PortNumbers
  private var names: Set<[UInt8]> = []
  private var byNumber: [Port?] = []

  /// - Parameter limit: see `PortNumbers.init`.
  init(limit: Int) {
    numbers = PortNumbers(limit: limit)
  }

  /// Port numbers are below this.
  var limit: Int { numbers.limit }

  /// How many queues the device has, for all the ports there may be.
  var queueCount: Int { 2 * (limit + 1) }

  /// The ports that are there, by ascending number.
  var ports: some Sequence<Port> { byNumber.lazy.compactMap(\.self) }

  /// Makes a port of the number that the configuration asks for or gets. Names, if not empty, are
  /// unique, since guests find ports by them.
  mutating func add(
    _ configuration: PortConfiguration, make: (UInt32) -> Port
  ) throws(PortError) -> Port {
    let name = Array(configuration.name.utf8)
    guard !names.contains(name) else { throw .nameTaken(configuration.name) }
    let number = try numbers.take(for: configuration)
    if !name.isEmpty { names.insert(name) }
    let port = make(number)
    while byNumber.count <= Int(number) { byNumber.append(nil) }
    byNumber[Int(number)] = port
    return port
  }

  /// Takes the port out; its number is free again.
  mutating func remove(_ number: UInt32) throws(PortError) -> Port {
    guard let port = self[number] else { throw .noSuchPort(number) }
    byNumber[Int(number)] = nil
    while let last = byNumber.last, last == nil { byNumber.removeLast() }
    numbers.release(number)
    names.remove(Array(port.configuration.name.utf8))
    return port
  }

  /// The port with this number.
  subscript(number: UInt32) -> Port? { port(at: Int(number)) }

  /// The port that queue `index` belongs to; nil for the control channel's, with MULTIPORT or without.
  func port(ofQueue index: Int) -> Port? {
    switch index {
    case ..<2: port(at: 0)
    case ..<4: nil
    default: port(at: index / 2 - 1)
    }
  }

  /// The receive queue of port `number`; its transmit queue is the next one.
  static func receiveQueue(ofPort number: UInt32) -> Int { number == 0 ? 0 : 2 * Int(number) + 2 }

  /// Whether a queue's number is that of a transmit queue, the control channel's included.
  static func isTransmitQueue(_ index: Int) -> Bool { index % 2 == 1 }

  private func port(at number: Int) -> Port? {
    byNumber.indices.contains(number) ? byNumber[number] : nil
  }
}

/// Which port numbers of a device are taken, and the rules by which they are given out.
///
/// Number 0 is for consoles alone, and the first console that asks for no number gets it: it is all
/// that a driver without MULTIPORT sees. Every other port that asks for none gets the lowest free one.
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

  /// The number the port asks for, or the one it gets without asking; no other port gets it until
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

/// Why a port cannot be added or removed. The texts are QEMU's where it has one.
package enum PortError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Number 0 is asked for by a port that is no console.
  case numberReserved
  /// Another port has this number.
  case numberTaken(UInt32)
  /// The number is not below the device's maximum; the largest allowed is given.
  case numberOutOfRange(maximum: UInt32)
  /// Every number the device has is taken.
  case noFreeNumber
  /// Another port has this name.
  case nameTaken(String)
  /// There is no port of this number to remove.
  case noSuchPort(UInt32)

  package var description: String {
    switch self {
    case .numberReserved:
      "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward compatibility."
    case .numberTaken(let number): "A port already exists at id \(number)"
    case .numberOutOfRange(let maximum):
      "Out-of-range port id specified, max. allowed: \(maximum)"
    case .noFreeNumber: "Maximum port limit for this device reached"
    case .nameTaken(let name): "A port already exists by name \(name)"
    case .noSuchPort(let number): "No port exists at id \(number)"
    }
  }
}
