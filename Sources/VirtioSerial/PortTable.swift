import Chardev

/// A device's ports, by number and by queue (virtio 1.2, 5.3.2): port 0 has queues 0 and 1, the
/// control channel 2 and 3, port n ≥ 1 has 2n + 2 and 2n + 3.
struct PortTable {
  /// The ports that are there, in the order they were given.
  let ports: [Port]
  /// Port numbers are below this.
  let limit: Int
  private let byID: [Port?]

  /// The first console gets number 0, since it is all that a driver without MULTIPORT sees; the
  /// others count from 1, in order. Ports whose number would not be below `limit` are not made.
  init(_ configurations: [PortConfiguration], limit: Int, make: (UInt32, Int) -> Port) {
    self.limit = limit
    let console = configurations.firstIndex(where: \.isConsole)
    var byID = [Port?](repeating: nil, count: limit)
    var ports: [Port] = []
    var next = 1
    for index in configurations.indices {
      let id = index == console ? 0 : next
      if id > 0 { next += 1 }
      guard id < limit else { continue }
      let port = make(UInt32(id), index)
      ports.append(port)
      byID[id] = port
    }
    self.ports = ports
    self.byID = byID
  }

  /// How many queues the device has, for all the ports there may be.
  var queueCount: Int { 2 * (limit + 1) }

  /// The port with this number.
  subscript(id: UInt32) -> Port? {
    let id = Int(id)
    return byID.indices.contains(id) ? byID[id] : nil
  }

  /// The port that queue `index`, which is not one of the control channel's, belongs to.
  func port(ofQueue index: Int) -> Port? {
    let id = index < 2 ? 0 : index / 2 - 1
    return byID.indices.contains(id) ? byID[id] : nil
  }

  /// The receive queue of port `id`; its transmit queue is the next one.
  static func receiveQueue(ofPort id: UInt32) -> Int { id == 0 ? 0 : 2 * Int(id) + 2 }

  /// Whether a queue's number is that of a transmit queue, the control channel's included.
  static func isTransmitQueue(_ index: Int) -> Bool { index % 2 == 1 }
}
