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

  private var receiveQueue: Virtqueue? { receiveSlot.queue }
  private var transmitQueue: Virtqueue? { transmitSlot.queue }

  /// Whom the guest has yet to hear of: each port at most once, each number's removal at most once,
  /// in the order they came to.
  private enum Debt {
    case port(Port)
    case removal(UInt32)
  }

  private var waiting = Fifo<Debt>()
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

  /// The port is no more. The guest hears of it if it knew of it, before it hears of another port
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
  func owesRemoval(of number: UInt32) -> Bool { pendingRemovals.contains(number) }

  /// The device was reset: nobody is owed anything.
  mutating func reset() {
    receiveSlot.queue = nil
    transmitSlot.queue = nil
    while let debt = waiting.removeFirst() {
      if case .port(let port) = debt { port.isWaitingToSend = false }
    }
    pendingRemovals = []
  }

  /// Sends what is pending, one port after the other, as far as the guest has buffers and there is time.
  /// Returns whether more is to be done in another turn.
  mutating func send(
    using list: ChainBatch, clock: EventLoop.TurnClock, driver: any VirtioInterrupt
  ) throws(QueueFault) -> Bool {
    guard let queue = receiveQueue else { return false }
    defer { if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) } }
    queue.disableNotifications()
    var patience = Self.patience
    while let debt = waiting.first {
      guard let message = nextMessage(of: debt) else {
        forget(debt)
        continue
      }
      guard try deliver(message, through: queue, using: list, &patience) else {
        if patience == 0 { return true }
        guard try queue.enableNotifications() else { return false }
        queue.disableNotifications()
        patience -= 1
        continue
      }
      tracer.note(.toGuest, message.description)
      messageSent(message, of: debt)
      guard clock.hasTime() else { return true }
    }
    return false
  }

  private func nextMessage(of debt: Debt) -> ControlMessage? {
    switch debt {
    case .port(let port): port.state.nextMessage
    case .removal(let number): ControlMessage(port: number, event: .deviceRemove, value: 1)
    }
  }

  /// Whether the driver has given the buffer of a message back, counted from the queue's beginning:
  /// then it has acted upon it, since it takes one after the other.
  func hasTaken(_ message: UInt64) throws(QueueFault) -> Bool {
    guard let receiveQueue else { return true }
    let returned = messageCount &+ UInt64(try receiveQueue.availableCount())
    return returned >= message &+ UInt64(bufferCount)
  }

  private mutating func messageSent(_ message: ControlMessage, of debt: Debt) {
    switch debt {
    case .port(let port):
      port.state.messageSent()
      if message.event == .portOpen, message.value == 0 { port.closeWasSent(message: messageCount) }
    case .removal(let number):
      pendingRemovals.remove(number)
      waiting.removeFirst()
    }
  }

  /// The port at the head of the queue has nothing more to say.
  private mutating func forget(_ debt: Debt) {
    if case .port(let port) = debt { port.isWaitingToSend = false }
    waiting.removeFirst()
  }

  /// Puts the message in the guest's next buffer; false when there is none. A buffer that is too
  /// small is returned empty, and the next one tried, while there is patience.
  private mutating func deliver(
    _ message: ControlMessage, through queue: Virtqueue, using list: ChainBatch,
    _ patience: inout Int
  ) throws(QueueFault) -> Bool {
    let bytes = message.bytes
    bufferCount = max(bufferCount, try queue.availableCount())
    while patience > 0 {
      list.removeAll()
      try queue.gather(.writable, into: list, byteLimit: 1)
      guard let chain = list.chains.first else { return false }
      messageCount &+= 1
      guard chain.byteCount >= bytes.count else {
        queue.complete(chain, written: 0)
        patience -= 1
        continue
      }
      let copied = bytes.withUnsafeBytes { list.copyBytes(from: $0) }
      queue.complete(chain, written: UInt32(clamping: copied))
      return true
    }
    return false
  }

  /// Whether the guest has sent something that has not been taken.
  var hasArrivals: Bool {
    get throws(QueueFault) { try (transmitQueue?.availableCount() ?? 0) > 0 }
  }

  /// Takes every message the guest has sent, up to `limit` and for as long as there is time, and
  /// returns their buffers; `handle` gets a copy of the first bytes of each. Returns whether more are
  /// waiting.
  func receive(
    using list: ChainBatch, limit: Int, clock: EventLoop.TurnClock, driver: any VirtioInterrupt,
    handle: ([UInt8]) -> Void
  ) throws(QueueFault) -> Bool {
    guard let queue = transmitQueue else { return false }
    queue.disableNotifications()
    defer { if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) } }
    for _ in 0..<limit {
      list.removeAll()
      try queue.gather(.readable, into: list, byteLimit: 1)
      guard let chain = list.chains.first else {
        if try queue.enableNotifications() { continue }
        return false
      }
      let bytes = [UInt8](unsafeUninitializedCapacity: ControlMessage.headerLength) {
        $1 = list.copyBytes(to: UnsafeMutableRawBufferPointer($0))
      }
      queue.complete(chain, written: 0)
      handle(bytes)
      guard clock.hasTime() else { break }
    }
    return true
  }
}
