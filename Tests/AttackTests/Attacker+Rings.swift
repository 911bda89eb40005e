import GuestMemory

/// What a driver puts into the rings.
extension Attacker {
  func attackRing() {
    let queue = queue()
    switch Int.random(in: 0..<12, using: &random) {
    case 0: scribble(queue)
    case 1... where usesPackedRings: publishPacked(queue, isBroken: chance(15))
    case 1: jump(queue)
    case 2: publishChain(queue, isBroken: true)
    case 3: publishIndirect(queue)
    default: publishChain(queue, isBroken: false)
    }
    if chance(50) { write(2, 4 * UInt64(queue), 2, UInt64(queue)) }
  }

  /// Changes a few bytes anywhere in the ring.
  private func scribble(_ queue: Int) {
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let at = ring(queue) + UInt64.random(in: 0..<0x1000, using: &random)
      try? machine.memory.store(number(), at: min(at, ring(queue) + 0xff8))
    }
  }

  private func jump(_ queue: Int) {
    availableIndexes[queue] &+= UInt16(truncatingIfNeeded: number())
    try? machine.memory.store(availableIndexes[queue], at: ring(queue) + 0x802)
  }

  /// One chain of up to a dozen buffers.
  private func publishChain(_ queue: Int, isBroken: Bool) {
    let size = UInt64(queueSize)
    let count = UInt64.random(in: 1...min(size, 12), using: &random)
    let head = UInt64.random(in: 0..<size, using: &random)
    for position in 0..<count {
      let index = (head + position) % size
      var flags: UInt16 = (position < count - 1 ? 1 : 0) | (queue % 2 == 0 ? 2 : 0)
      var next = UInt16((index + 1) % size)
      if isBroken, chance(30) { flags ^= UInt16(truncatingIfNeeded: number()) }
      if isBroken, chance(30) { next = UInt16(truncatingIfNeeded: number()) }
      putDescriptor(ring(queue) + 16 * index, length(isBroken), flags, next)
    }
    publish(
      queue, head: isBroken && chance(10) ? UInt16(truncatingIfNeeded: number()) : UInt16(head))
  }

  private func publishIndirect(_ queue: Int) {
    let table = address()
    let count = UInt64.random(in: 0..<20, using: &random)
    for position in 0..<count {
      let flags: UInt16 = (position < count - 1 ? 1 : 0) | (queue % 2 == 0 ? 2 : 0)
      let odd = chance(5) ? UInt16(truncatingIfNeeded: number()) : 0
      putDescriptor(table &+ 16 * position, length(false), flags ^ odd, UInt16(position + 1))
    }
    let head = UInt64.random(in: 0..<UInt64(queueSize), using: &random)
    let at = ring(queue) + 16 * head
    try? machine.memory.store(table, at: at)
    let bytes = chance(90) ? 16 * count : number() & 0xffff_ffff
    try? machine.memory.store(bytes | 4 << 32, at: at + 8)
    publish(queue, head: UInt16(head))
  }

  private func length(_ isBroken: Bool) -> UInt32 {
    if isBroken, chance(30) { return UInt32(truncatingIfNeeded: number()) }
    return pick([0, 1, 7, 8, 64, 4096, 4096, 65536])
  }

  private func putDescriptor(
    _ at: UInt64, _ length: UInt32, _ flags: UInt16, _ next: UInt16
  ) {
    guard !AttackedMachine.bystandersRAM.contains(at) else { return }
    try? machine.memory.store(address(), at: at)
    try? machine.memory.store(
      UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48, at: at &+ 8)
  }

  func publish(_ queue: Int, head: UInt16) {
    let slot = UInt64(availableIndexes[queue] % max(queueSize, 1))
    try? machine.memory.store(head, at: ring(queue) + 0x804 + 2 * slot)
    availableIndexes[queue] &+= 1
    try? machine.memory.store(availableIndexes[queue], at: ring(queue) + 0x802)
  }

  /// One list of up to a dozen buffers in a packed ring, or a table of them.
  private func publishPacked(_ queue: Int, isBroken: Bool) {
    let count = UInt16.random(in: 1...min(queueSize, 12), using: &random)
    let isIndirect = chance(20)
    for position in 0..<count {
      var flags: UInt16 = (position < count - 1 ? 1 : 0) | (queue % 2 == 0 ? 2 : 0)
      if isIndirect { flags ^= 4 }
      if isBroken, chance(30) { flags ^= UInt16(truncatingIfNeeded: number()) }
      let length =
        isIndirect ? 16 * UInt64.random(in: 0..<20, using: &random) : UInt64(self.length(isBroken))
      putPacked(queue, address(), length, flags)
    }
  }

  /// The next entry of a packed ring, available as of now.
  func putPacked(_ queue: Int, _ address: UInt64, _ length: UInt64, _ flags: UInt16) {
    let (lap, slot) = availableIndexes[queue].quotientAndRemainder(dividingBy: queueSize)
    availableIndexes[queue] &+= 1
    let marks: UInt16 = lap % 2 == 0 ? 0x80 : 0x8000
    let at = ring(queue) + 16 * UInt64(slot)
    try? machine.memory.store(address, at: at)
    try? machine.memory.store(
      length | UInt64(slot) << 32 | UInt64(flags & ~0x8080 | marks) << 48, at: at + 8)
  }

  // MARK: Control messages

  func attackControl() {
    if chance(30) { return offerControlBuffer() }
    let port: UInt32 =
      chance(80)
      ? UInt32.random(in: 0..<8, using: &random) : UInt32(truncatingIfNeeded: number())
    let event = chance(85) ? UInt16.random(in: 0..<9, using: &random) : 0xffff
    sendControl(port: port, event: event, value: chance(80) ? pick([0, 1]) : 2)
  }

  func sendControl(port: UInt32, event: UInt16, value: UInt16) {
    let at: UInt64 = 0x8_0000
    let message = UInt64(port) | UInt64(event) << 32 | UInt64(value) << 48
    try? machine.memory.store(message, at: at)
    let length: UInt64 = chance(90) ? 8 : pick([0, 1, 7, 9, 4096])
    publishOne(3, at, length, writable: false)
  }

  private func offerControlBuffer() {
    let length: UInt64 = chance(90) ? 64 : pick([0, 1, 7, 8])
    let at = 0x9_0000 + 64 * UInt64.random(in: 0..<128, using: &random)
    publishOne(2, at, length, writable: true)
  }

  /// One buffer, by the book, and a kick.
  private func publishOne(_ queue: Int, _ address: UInt64, _ length: UInt64, writable: Bool) {
    let flags: UInt16 = writable ? 2 : 0
    if usesPackedRings {
      putPacked(queue, address, length, flags)
    } else {
      let head = UInt64.random(in: 0..<UInt64(queueSize), using: &random)
      try? machine.memory.store(address, at: ring(queue) + 16 * head)
      try? machine.memory.store(length | UInt64(flags) << 32, at: ring(queue) + 16 * head + 8)
      publish(queue, head: UInt16(head))
    }
    write(2, 4 * UInt64(queue), 2, UInt64(queue))
  }
}
