import GuestMemory
import VirtioConsole

// The driver's ports: bytes out and in.
extension MockConsoleDriver {
  /// The receive queue of port `id`; the transmit queue is the next one.
  package static func receiveQueue(_ id: Int) -> Int { id == 0 ? 0 : 2 * id + 2 }

  /// Sends bytes through port `id`, one chain of the given buffer sizes or of one buffer.
  package func send(_ bytes: [UInt8], port id: Int, slot: Int = 0) {
    let address = Self.bufferArea + 0x100_0000 + UInt64(slot) * Self.bufferBytes
    memory.put(bytes, at: address)
    queues[Self.receiveQueue(id) + 1]?.publish([.init(address, bytes.count)])
    kick(Self.receiveQueue(id) + 1)
  }

  /// Makes so many chains of 64 KiB available on port `id`, and notifies of them without letting the
  /// loop turn.
  package func flood(port id: Int, chains: Int) {
    let address = Self.bufferArea + 0x100_0000 + UInt64(id) * Self.bufferBytes
    for _ in 0..<chains {
      queues[Self.receiveQueue(id) + 1]?.publish([.init(address, Int(Self.bufferBytes))])
    }
    device.queueNotified(Self.receiveQueue(id) + 1)
  }

  /// Gives port `id` one receive buffer.
  package func offerReceiveBuffer(port id: Int, slot: Int, length: Int = 4096) {
    let address = Self.bufferArea + 0x200_0000 + UInt64(slot) * Self.bufferBytes
    let buffer = MockQueue.Buffer(address, length, writable: true)
    guard let head = queues[Self.receiveQueue(id)]?.publish([buffer]) else { return }
    portBuffers[id, default: [:]][head] = address
    kick(Self.receiveQueue(id))
  }

  /// Bytes that arrived on port `id`, buffer by buffer.
  package func takeReceived(port id: Int) -> [[UInt8]] {
    (queues[Self.receiveQueue(id)]?.takeUsed() ?? []).map { head, length in
      let address = portBuffers[id]?.removeValue(forKey: UInt16(head)) ?? 0
      return memory.bytes(at: address, count: Int(length))
    }
  }
}

extension ConsoleDevice {
  /// What went through each port, by ascending number.
  package var portStatistics: [PortStatistics] { statistics.ports }
}
