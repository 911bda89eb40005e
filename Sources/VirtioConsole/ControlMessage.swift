/// One message on the control queues (virtio 1.2, 5.3.6.2): le32 id, le16 event, le16 value, and
/// for some events a payload.
struct ControlMessage: Equatable, CustomStringConvertible {
  /// What a message says; the numbers are the specification's.
  enum Event: UInt16 {
    case deviceReady = 0
    case deviceAdd = 1
    case deviceRemove = 2
    case portReady = 3
    case consolePort = 4
    case resize = 5
    case portOpen = 6
    case portName = 7
  }

  /// Length of a message without payload, in bytes.
  static let headerLength = 8

  let port: UInt32
  let event: Event
  let value: UInt16
  let payload: [UInt8]

  init(port: UInt32, event: Event, value: UInt16, payload: [UInt8] = []) {
    self.port = port
    self.event = event
    self.value = value
    self.payload = payload
  }

  /// Decodes a copy of what the guest sent; nil for fewer than eight bytes or an unknown event.
  init?(_ bytes: some Collection<UInt8>) {
    var iterator = bytes.makeIterator()
    func word(_ count: Int) -> UInt32? {
      var value: UInt32 = 0
      for shift in 0..<count {
        guard let byte = iterator.next() else { return nil }
        value |= UInt32(byte) << UInt32(8 * shift)
      }
      return value
    }
    guard let port = word(4), let event = word(2), let value = word(2),
      let known = Event(rawValue: UInt16(truncatingIfNeeded: event))
    else { return nil }
    self.init(port: port, event: known, value: UInt16(truncatingIfNeeded: value))
  }

  /// The specification's word for the event, and what it is about.
  var description: String {
    let words = [
      "DEVICE_READY", "DEVICE_ADD", "DEVICE_REMOVE", "PORT_READY", "CONSOLE_PORT", "RESIZE",
      "PORT_OPEN", "PORT_NAME",
    ]
    let subject = event == .deviceReady ? "" : "port \(port): "
    let said = "\(subject)\(words[Int(event.rawValue)]) \(value)"
    switch event {
    case .portName: return "\(said) '\(String(decoding: payload, as: UTF8.self))'"
    case .resize: return "\(said) \(payload)"
    default: return said
    }
  }

  /// As it goes over the queue.
  var bytes: [UInt8] {
    func littleEndian(_ value: UInt32, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }
    return littleEndian(port, 4) + littleEndian(UInt32(event.rawValue), 2)
      + littleEndian(UInt32(value), 2) + payload
  }
}
