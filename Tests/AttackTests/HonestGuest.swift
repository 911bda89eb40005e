import Devices
import GuestMemory
import TestSupport

/// A well-behaved driver for one virtio-serial device on the bus: programs the function as firmware
/// would, brings the device up, and exchanges a message on a port. What it needs of the rings it
/// keeps in its own part of guest memory.
final class HonestGuest {
  private let machine: AttackedMachine
  private let slot: AttackedMachine.Slot
  private let area: UInt64
  private let structures: VirtioStructures
  private static let ringSize: UInt64 = 8
  private var availableIndexes: [Int: UInt16] = [:]
  private var seenUsed: [Int: UInt16] = [:]

  /// - Parameter area: where its rings and buffers may lie, 1 MiB.
  init(_ machine: AttackedMachine, _ slot: AttackedMachine.Slot, area: UInt64) {
    self.machine = machine
    self.slot = slot
    self.area = area
    structures = VirtioStructures(machine, slot: slot.number)
  }

  // MARK: Bring-up

  /// From any state to a live device with all ports open in the guest; false if it refused.
  func start() -> Bool {
    configure(register: 0x04, width: 2, 0)
    configure(register: slot.barRegister, width: 4, UInt32(truncatingIfNeeded: slot.bar))
    configure(register: slot.barRegister + 4, width: 4, UInt32(truncatingIfNeeded: slot.bar >> 32))
    configure(register: 0x04, width: 2, 6)
    availableIndexes = [:]
    seenUsed = [:]
    for offset in stride(from: area, to: area + 0x10_0000, by: 8) {
      try? machine.memory.store(UInt64(0), at: offset)
    }
    common(0x14, 1, 0)
    machine.settle()
    for status: UInt64 in [1, 3] { common(0x14, 1, status) }
    for (select, bits) in [(0, 1 << 1), (1, 1)] as [(UInt64, UInt64)] {
      common(0x08, 4, select)
      common(0x0c, 4, bits)
    }
    common(0x14, 1, 11)
    let lastQueue = 2 * AttackedMachine.portCount + 3
    for queue in 0...lastQueue { enable(queue) }
    common(0x14, 1, 15)
    guard read(common: 0x14, 1) == 15 else { return false }
    return handshake()
  }

  private func enable(_ queue: Int) {
    common(0x16, 2, UInt64(queue))
    common(0x18, 2, Self.ringSize)
    for (register, address) in [
      (0x20, table(queue)), (0x28, available(queue)), (0x30, used(queue)),
    ] as [(UInt64, UInt64)] {
      common(register, 4, address & 0xffff_ffff)
      common(register + 4, 4, address >> 32)
    }
    common(0x1c, 2, 1)
  }

  /// DEVICE_READY, an answer for each DEVICE_ADD; true once every port is open on both sides.
  private func handshake() -> Bool {
    var pending = Self.ringSize
    for number in 0..<Self.ringSize {
      publish(2, descriptor: number, buffer(2, number), 256, writable: true)
    }
    sendControl(port: .max, event: 0)
    var added: Set<UInt32> = []
    while pending > 0 {
      pending = 0
      for (descriptor, length) in takeUsed(2) {
        pending += 1
        let message = machine.memory.bytes(at: buffer(2, descriptor), count: Int(length))
        publish(2, descriptor: descriptor, buffer(2, descriptor), 256, writable: true)
        guard message.count >= 8, message[4] == 1, message[5] == 0 else { continue }
        let port = UInt32(message[0]) | UInt32(message[1]) << 8
        added.insert(port)
        sendControl(port: port, event: 3)
        sendControl(port: port, event: 6)
      }
      machine.settle()
    }
    return added.count == slot.chardevs.count
  }

  private func sendControl(port: UInt32, event: UInt16) {
    let bytes = withUnsafeBytes(of: UInt64(port) | UInt64(event) << 32 | 1 << 48) { Array($0) }
    machine.memory.put(bytes, at: buffer(3, 0))
    publish(3, descriptor: 0, buffer(3, 0), 8, writable: false)
    _ = takeUsed(3)
  }

  // MARK: Exchange

  /// Sends a message each way through port `index`; true if both arrived whole.
  func exchange(port index: Int, _ text: String) -> Bool {
    let chardev = slot.chardevs[index]
    if !chardev.isConnected { chardev.connect() }
    // A console's client first gets what the guest before said.
    chardev.takeMore(.max)
    machine.settle()
    _ = chardev.takeReceived()
    let (receive, bytes) = (index == 0 ? 0 : 2 * index + 2, Array(text.utf8))

    _ = takeUsed(receive + 1)
    machine.memory.put(bytes, at: buffer(receive + 1, 0))
    publish(
      receive + 1, descriptor: 0, buffer(receive + 1, 0), UInt32(bytes.count), writable: false)
    machine.settle()
    guard chardev.takeReceived() == bytes, takeUsed(receive + 1).count == 1 else { return false }

    publish(receive, descriptor: 0, buffer(receive, 0), 4096, writable: true)
    chardev.send(bytes)
    machine.settle()
    chardev.deliver()
    guard let (descriptor, length) = takeUsed(receive).last else { return false }
    return machine.memory.bytes(at: buffer(receive, descriptor), count: Int(length)) == bytes
  }

  // MARK: Rings

  private func ring(_ queue: Int) -> UInt64 { area + UInt64(queue) * 0x1_0000 / 4 }
  private func table(_ queue: Int) -> UInt64 { ring(queue) }
  private func available(_ queue: Int) -> UInt64 { ring(queue) + 0x100 }
  private func used(_ queue: Int) -> UInt64 { ring(queue) + 0x200 }
  private func buffer(_ queue: Int, _ number: UInt64) -> UInt64 {
    queue == 2 ? ring(queue) + 0x400 + number * 256 : ring(queue) + 0x1000
  }

  private func publish(
    _ queue: Int, descriptor: UInt64, _ address: UInt64, _ length: UInt32, writable: Bool
  ) {
    let entry = table(queue) + 16 * descriptor
    try? machine.memory.store(address, at: entry)
    try? machine.memory.store(UInt64(length) | (writable ? 2 << 32 : 0), at: entry + 8)
    let index = availableIndexes[queue, default: 0]
    try? machine.memory.store(
      UInt16(descriptor), at: available(queue) + 4 + 2 * UInt64(index % UInt16(Self.ringSize)))
    availableIndexes[queue] = index &+ 1
    try? machine.memory.store(index &+ 1, at: available(queue) + 2)
    let notify = structures.address(2, 4 * UInt64(queue), bar: slot.bar)
    machine.space.write(address: notify, width: 2, value: UInt64(queue))
    machine.settle()
  }

  /// Descriptor numbers and lengths of what was used since the last call.
  private func takeUsed(_ queue: Int) -> [(UInt64, UInt32)] {
    var taken: [(UInt64, UInt32)] = []
    let end = (try? machine.memory.load(used(queue) + 2, as: UInt16.self)) ?? 0
    while seenUsed[queue, default: 0] != end {
      let index = seenUsed[queue, default: 0]
      let entry = used(queue) + 4 + 8 * UInt64(index % UInt16(Self.ringSize))
      let number = (try? machine.memory.load(entry, as: UInt32.self)) ?? 0
      taken.append((UInt64(number), (try? machine.memory.load(entry + 4, as: UInt32.self)) ?? 0))
      seenUsed[queue] = index &+ 1
    }
    return taken
  }

  // MARK: Registers

  private func configure(register: UInt64, width: Int, _ value: UInt32) {
    machine.space.write(
      address: AttackedMachine.ecam + UInt64(slot.number) << 15 + register, width: width,
      value: UInt64(value))
  }

  private func common(_ offset: UInt64, _ width: Int, _ value: UInt64) {
    machine.space.write(
      address: structures.address(1, offset, bar: slot.bar), width: width, value: value)
  }

  private func read(common offset: UInt64, _ width: Int) -> UInt64 {
    machine.space.read(address: structures.address(1, offset, bar: slot.bar), width: width)
  }

}
