import Glibc
import Virtio

/// The two control queues: messages to the guest wait in the ports' own state until the guest has
/// buffers for them, so none is ever lost; messages from the guest are taken at once, since the
/// driver spins with a lock held until its buffer returns.
struct ControlChannel {
  /// Queue numbers (virtio 1.2, 5.3.2).
  static let receiveQueueIndex = 2
  static let transmitQueueIndex = 3

  var receiveQueue: Virtqueue?
  var transmitQueue: Virtqueue?

  /// Ports that owe the guest something, each at most once, in the order they came to.
  private var waiting: [Port] = []
  private var nextWaiting = 0

  /// The port has something to tell the guest.
  mutating func enqueue(_ port: Port) {
    guard !port.isWaitingToSend, port.state.nextMessage != nil else { return }
    port.isWaitingToSend = true
    waiting.append(port)
  }

  /// The device was reset: nobody is owed anything.
  mutating func reset() {
    receiveQueue = nil
    transmitQueue = nil
    for port in waiting { port.isWaitingToSend = false }
    waiting.removeAll()
    nextWaiting = 0
  }

  /// Sends what is owed, one port after the other, as far as the guest has buffers.
  mutating func send(
    using list: SegmentList, driver: any DriverNotifier
  ) throws(QueueFault) {
    guard let queue = receiveQueue else { return }
    queue.disableNotifications()
    while nextWaiting < waiting.count {
      let port = waiting[nextWaiting]
      guard let message = port.state.nextMessage else {
        port.isWaitingToSend = false
        nextWaiting += 1
        continue
      }
      guard try deliver(message, through: queue, using: list) else {
        if try queue.enableNotifications() { continue }
        break
      }
      port.state.messageSent()
    }
    if nextWaiting == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      nextWaiting = 0
    }
    if queue.publish() { driver.notifyUsedBuffers(queue: queue.index) }
  }

  /// Puts the message in the guest's next buffer; false when there is none. A buffer that is too
  /// small is returned empty, and the next one tried.
  private func deliver(
    _ message: ControlMessage, through queue: Virtqueue, using list: SegmentList
  ) throws(QueueFault) -> Bool {
    let bytes = message.bytes
    while true {
      list.removeAll()
      try queue.gather(.writable, into: list, byteLimit: 1)
      guard let chain = list.chains.first else { return false }
      guard chain.byteCount >= bytes.count else {
        queue.complete(chain, written: 0)
        continue
      }
      let copied = bytes.withUnsafeBytes { list.copyBytes(from: $0) }
      queue.complete(chain, written: UInt32(clamping: copied))
      return true
    }
  }

  /// Takes every message the guest has sent, up to `limit`, and returns their buffers; `handle` gets
  /// a copy of the first bytes of each. Returns whether more are waiting.
  func receive(
    using list: SegmentList, limit: Int, driver: any DriverNotifier, handle: ([UInt8]) -> Void
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
    }
    return true
  }
}
