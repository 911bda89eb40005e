import GuestMemory
import TestSupport
import Virtio

/// An honest driver and a device on one queue, each acting only when it was told to: the driver upon
/// an interrupt, the device upon a notification. What the driver sent is the model of what comes
/// back; when both sides sleep and something is still out, a wake-up was lost.
struct RingModel {
  private struct Sent {
    let id: UInt16
    let byteCount: Int
    let entries: Int
  }

  private let driver: any DriverQueue
  private let device: Virtqueue
  private let usesEventIndex: Bool
  private let usesTables: Bool
  private let list = ChainBatch()
  private let memory: GuestMemory
  private var random: SeededGenerator

  private var sent: [Sent] = []
  private var completed: [(id: UInt16, entries: Int, written: UInt32)] = []
  private var freeEntries: Int
  private var tables: UInt64 = 0
  private var isDeviceAwake = true
  private var isInterrupted = false

  /// Chains that came back to the driver.
  private(set) var returnedCount = 0
  /// What went wrong first.
  private(set) var mismatch: String?

  init(layout: RingLayout, size: UInt16, features: Features, seed: UInt64) throws {
    memory = try GuestMemory(regions: [0..<0x100_0000])
    random = SeededGenerator(seed: seed)
    let start = UInt16.random(in: 0..<size, using: &random) | 0x8000
    (driver, device) = try layout.makeQueue(memory, size: size, features: features, start: start)
    usesEventIndex = features.contains(.eventIndex)
    usesTables = features.contains(.indirectDescriptors)
    freeEntries = Int(size)
    enableInterrupts()
  }

  /// One side does something, by chance.
  mutating func step() throws {
    switch Int.random(in: 0..<4, using: &random) {
    case 0, 1: publish()
    case 2 where isDeviceAwake: try takeDeviceTurn()
    default: if isInterrupted { takeInterrupt() }
    }
  }

  /// Lets both sides go on until both sleep.
  mutating func drain() throws {
    while mismatch == nil, isDeviceAwake || isInterrupted {
      if isDeviceAwake { try takeDeviceTurn() }
      if isInterrupted { takeInterrupt() }
    }
    if !sent.isEmpty || !completed.isEmpty { note("a wake-up was lost") }
  }

  private mutating func note(_ text: String) { if mismatch == nil { mismatch = text } }

  // MARK: The driver

  private mutating func publish() {
    for _ in 0..<Int.random(in: 1...3, using: &random) where freeEntries > 0 {
      let usesTable = usesTables && Bool.random(using: &random)
      let most = usesTable ? 6 : min(4, freeEntries)
      let lengths = (0..<Int.random(in: 1...most, using: &random)).map { _ in
        Int.random(in: 0..<64, using: &random)
      }
      let buffers = lengths.map { MockQueue.Buffer(0x80_0000, $0, writable: true) }
      tables = (tables + 0x100) & 0xffff
      let id =
        usesTable
        ? driver.publishIndirect(buffers, table: 0x40_0000 + tables) : driver.publish(buffers)
      let entries = usesTable ? 1 : buffers.count
      freeEntries -= entries
      sent.append(Sent(id: id, byteCount: lengths.reduce(0, +), entries: entries))
    }
    if driver.takeKick() { isDeviceAwake = true }
  }

  private mutating func takeInterrupt() {
    isInterrupted = false
    driver.setWantsInterrupts(false)
    takeUsed()
    enableInterrupts()
    takeUsed()
  }

  private func enableInterrupts() {
    if usesEventIndex { driver.askForInterrupt(at: 0) } else { driver.setWantsInterrupts(true) }
  }

  private mutating func takeUsed() {
    for used in driver.takeUsed() {
      guard let expected = completed.first else { return note("used, but never completed") }
      completed.removeFirst()
      if used.id != UInt32(expected.id) || used.length != expected.written {
        note("used \(used), expected \(expected)")
      }
      freeEntries += expected.entries
      returnedCount += 1
    }
  }

  // MARK: The device

  private mutating func takeDeviceTurn() throws {
    device.disableNotifications()
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      list.removeAll()
      let limit = Int.random(in: 1...200, using: &random)
      try device.gather(.writable, into: list, byteLimit: limit)
      if list.chains.isEmpty {
        if !sent.isEmpty { note("\(sent.count) chains are not seen") }
        if try device.enableNotifications() { continue }
        isDeviceAwake = false
        return
      }
      compareWithSent()
      let count = Int.random(in: 1...list.chains.count, using: &random)
      for chain in list.chains.prefix(count) { complete(chain) }
      if device.publish() { isInterrupted = true }
    }
  }

  private mutating func compareWithSent() {
    for (chain, expected) in zip(list.chains, sent)
    where chain.id != expected.id || chain.byteCount != expected.byteCount {
      note("gathered \(chain), sent \(expected)")
    }
    if list.chains.count > sent.count { note("gathered more than was sent") }
  }

  private mutating func complete(_ chain: ChainBatch.Chain) {
    guard mismatch == nil else { return }
    let written = UInt32.random(in: 0...UInt32(chain.byteCount), using: &random)
    device.complete(chain, written: written)
    completed.append((chain.id, sent.removeFirst().entries, written))
  }
}
