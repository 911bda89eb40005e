import Glibc
import Host
import Virtio

/// The two control queues: messages to the guest wait in the ports' own state until the guest has
/// buffers for them, so none is ever lost; messages from the guest are taken at once, since the
/// driver spins with a lock held until its buffer returns.
struct ControlChannel {
  /// Queue numbers (virtio 1.2, 5.3.2).
  static let receiveQueueIndex = 2
  static let transmitQueueIndex = 3

  /// How many buffers of no use one turn puts up with: a guest may make them as fast as they return.
  private static let patience = 128

  var receiveSlot = QueueSlot() {
    didSet { (messageCount, bufferCount) = (0, 0) }
  }
  var transmitSlot = QueueSlot()

  /// What the guest is to be told: of each port at most once, of each number's removal at most once, in
  /// the order in which they came.
  private enum Pending {
    case port(Port)
    case removal(UInt32)
  }

  private var waiting = Fifo<Pending>()
  private var pendingRemovals: Set<UInt32> = []
  /// Buffers that the guest has been given back through its queue, and the most that were there for
  /// the device at a time.
  private var messageCount: UInt64 = 0
  private var bufferCount = 0
  private let tracer: Tracer

  init(tracer: Tracer) { self.tracer = tracer }

  /// The port has something to tell the guest.
  mutating func enqueue(_ port: Port) {
    guard !port.isWaitingToSend, port.state.nextMessage != nil else { return }
    port.isWaitingToSend = true
    waiting.append(.port(port))
  }

  /// The port is no more. The guest is told of it if it knew the port, before it is told of another port
  /// of that number.
  mutating func remove(_ port: Port) {
    if port.isWaitingToSend {
      port.isWaitingToSend = false
      waiting.removeAll { if case .port(let other) = $0 { other === port } else { false } }
    }
    guard port.state.isKnownToGuest, pendingRemovals.insert(port.number).inserted else { return }
    waiting.append(.removal(port.number))
  }

  /// The guest has not been told yet that its port of this number is gone: what it says of it is
  /// not about a new one.
  func isRemovalPending(of number: UInt32) -> Bool { pendingRemovals.contains(number) }

  /// The device was reset: nothing is to be told.
  mutating func reset() {
    receiveSlot.queue = nil
    transmitSlot.queue = nil
    while let pending = waiting.first { forget(pending) }
    pendingRemovals = []
  }

  // MARK: To the guest

  /// Sends what is pending, one port after the other, as far as the guest has buffers and there is time.
  /// Returns whether more is to be done in another turn.
  mutating func send(_ pass: Pass) throws(QueueFault) -> Bool {
    guard let queue = receiveSlot.queue else { return false }
    defer { queue.publish(to: pass.interrupt) }
    queue.disableNotifications()
    var patience = Self.patience
    while let pending = waiting.first {
      guard let message = nextMessage(of: pending) else {
        forget(pending)
        continue
      }
      guard try deliver(message, through: queue, using: pass.batch, &patience) else {
        if patience == 0 { return true }
        guard try queue.enableNotifications() else { return false }
        queue.disableNotifications()
        patience -= 1
        continue
      }
      tracer.note(.toGuest, message.description)
      messageSent(message, of: pending)
      guard pass.clock.hasTime() else { return true }
    }
    return false
  }

  private func nextMessage(of pending: Pending) -> ControlMessage? {
    switch pending {
    case .port(let port): port.state.nextMessage
    case .removal(let number): ControlMessage(port: number, event: .deviceRemove, value: 1)
    }
  }

  private mutating func messageSent(_ message: ControlMessage, of pending: Pending) {
    switch pending {
    case .port(let port):
      port.state.messageSent()
      if message.event == .portOpen, message.value == 0 { port.closeWasSent(message: messageCount) }
    case .removal(let number):
      pendingRemovals.remove(number)
      waiting.removeFirst()
    }
  }

  /// The head of the queue has nothing more to say.
  private mutating func forget(_ pending: Pending) {
    if case .port(let port) = pending { port.isWaitingToSend = false }
    waiting.removeFirst()
  }

  /// Puts the message in the guest's next buffer; false when there is none. A buffer that is too
  /// small is returned empty, and the next one tried, while there is patience.
  private mutating func deliver(
    _ message: ControlMessage, through queue: Virtqueue, using batch: ChainBatch,
    _ patience: inout Int
  ) throws(QueueFault) -> Bool {
    let bytes = message.bytes
    bufferCount = max(bufferCount, try queue.availableCount())
    while patience > 0 {
      guard let chain = try queue.next(.writable, using: batch) else { return false }
      messageCount &+= 1
      guard chain.byteCount >= bytes.count else {
        queue.complete(chain, written: 0)
        patience -= 1
        continue
      }
      let copied = bytes.withUnsafeBytes { batch.copyBytes(from: $0) }
      queue.complete(chain, written: UInt32(clamping: copied))
      return true
    }
    return false
  }

  /// Whether the driver has given the buffer of a message back, counted from the queue's beginning:
  /// then it has acted upon it, since it takes one after the other.
  func hasTaken(_ message: UInt64) throws(QueueFault) -> Bool {
    guard let queue = receiveSlot.queue else { return true }
    let returned = messageCount &+ UInt64(try queue.availableCount())
    return returned >= message &+ UInt64(bufferCount)
  }

  // MARK: From the guest

  /// Whether the guest has sent something that has not been taken.
  var hasArrivals: Bool {
    get throws(QueueFault) { try (transmitSlot.queue?.availableCount() ?? 0) > 0 }
  }

  /// Takes every message the guest has sent, up to `limit` and for as long as there is time, and
  /// returns their buffers; `handle` gets a copy of the first bytes of each. Returns whether more are
  /// waiting.
  func receive(
    _ pass: Pass, limit: Int, handle: ([UInt8]) -> Void
  ) throws(QueueFault) -> Bool {
    guard let queue = transmitSlot.queue else { return false }
    queue.disableNotifications()
    defer { queue.publish(to: pass.interrupt) }
    for _ in 0..<limit {
      guard let chain = try queue.next(.readable, using: pass.batch) else {
        if try queue.enableNotifications() { continue }
        return false
      }
      let bytes = [UInt8](unsafeUninitializedCapacity: ControlMessage.headerLength) {
        $1 = pass.batch.copyBytes(to: UnsafeMutableRawBufferPointer($0))
      }
      queue.complete(chain, written: 0)
      handle(bytes)
      guard pass.clock.hasTime() else { break }
    }
    return true
  }
}

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

/// The size of a terminal in characters.
struct ConsoleSize: Equatable {
  var columns: UInt16
  var rows: UInt16

  /// The payload of RESIZE.
  func payload(_ order: ResizeOrder) -> [UInt8] {
    let fields = order == .specification ? [columns, rows] : [rows, columns]
    return fields.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
  }
}

/// In which order a RESIZE message names the two measures. A driver does not say which one it reads, so
/// the user has to know the guest's kernel.
public enum ResizeOrder: String, CaseIterable, Sendable {
  /// Columns, then rows: the specification (virtio 1.2, 5.3.6.2) and Linux since its commit
  /// 5326ab737a47 of 2025, which stable kernels have taken up. The default, since it is right by
  /// the text and for every kernel to come.
  case specification = "spec"
  /// Rows, then columns: Linux before that commit.
  case legacy
}
