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
