import GuestMemory
import TestSupport
import Virtio

/// A driver of one connected and opened port, over rings of either layout.
final class RingGuest {
  let console: MockConsoleDriver
  let layout: RingLayout
  private(set) var rings: [Int: any DriverQueue] = [:]

  private let ringFeatures: Features
  private var nextBuffer: UInt64 = 0x80_0000
  private var buffers: [Int: [UInt16: UInt64]] = [:]

  var chardev: ScriptedChardev { console.chardevs[0] }

  /// - Parameter ringFeatures: accepted besides the layout's own and RING_RESET.
  init(_ layout: RingLayout, _ ringFeatures: Features = .eventIndex) throws {
    self.layout = layout
    self.ringFeatures = ringFeatures
    console = try MockConsoleDriver(names: ["a"])
    chardev.connect()
    console.device.lock.withLock {
      console.writeStatus([.acknowledge, .driver])
      let own = console.device.offeredFeatures.union(.ringReset)
      console.controller.accept(
        own.union(ringFeatures).union(layout.features), within: Features(rawValue: .max))
      console.writeStatus([.acknowledge, .driver, .featuresOK])
    }
    for index in 0..<6 { setUp(index, size: 16, base: 0x10_0000 + UInt64(index) * 0x1_0000) }
    console.device.lock.withLock {
      console.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
    }
    for _ in 0..<8 { offerBuffer(of: 64, to: 2) }
    sendControl(port: .max, event: 0)
    sendControl(port: 1, event: 3)
    sendControl(port: 1, event: 6)
  }

  func setUp(_ index: Int, size: UInt16, base: UInt64) {
    let ring = layout.makeDriver(
      console.memory, base: base, size: size,
      usesEventIndex: ringFeatures.contains(.eventIndex))
    rings[index] = ring
    console.device.lock.withLock {
      console.controller.configureQueue(index) {
        $0 = ring.configuration(maximumSize: $0.maximumSize)
      }
      console.controller.enableQueue(index, driver: console.notifier)
    }
    console.settle()
  }

  func reset(_ index: Int) {
    console.device.lock.withLock { console.controller.resetQueue(index) }
    console.settle()
  }

  /// Sends one chain with these buffers through the port.
  func send(_ parts: [[UInt8]]) {
    rings[5]?.publish(
      parts.map { part in
        let address = takeBuffer()
        console.memory.put(part, at: address)
        return .init(address, part.count)
      })
    console.kick(5)
  }

  func offerBuffer(of length: Int, to queue: Int) {
    let address = takeBuffer()
    guard let id = rings[queue]?.publish([.init(address, length, writable: true)]) else { return }
    buffers[queue, default: [:]][id] = address
    console.kick(queue)
  }

  /// What arrived on the queue since the last call.
  func takeBytes(from queue: Int) -> [UInt8] {
    (rings[queue]?.takeUsed() ?? []).flatMap { id, length in
      console.memory.bytes(at: buffers[queue]?[UInt16(id)] ?? 0, count: Int(length))
    }
  }

  private func sendControl(port: UInt32, event: UInt8) {
    let address = takeBuffer()
    try? console.memory.store(port, at: address)
    console.memory.put([event, 0, 1, 0], at: address + 4)
    rings[3]?.publish([.init(address, 8)])
    console.kick(3)
  }

  /// Buffers are taken in turn from an area that is much larger than what is ever outstanding.
  private func takeBuffer() -> UInt64 {
    nextBuffer = 0x80_0000 + (nextBuffer + 0x100) & 0xf_ffff
    return nextBuffer
  }
}
