/// What a driver does on its device: status, features, queues, notifications.
extension Attacker {
  /// By the book, so that there is something to break: firmware's part, features, queues.
  func initialize() {
    bar = machine.target.bar
    let register = machine.target.barRegister
    for (register, value) in [
      (0x04, 0), (register, bar & 0xffff_ffff), (register + 4, bar >> 32), (0x04, 7),
    ] as [(UInt64, UInt64)] {
      configure(slot: machine.target.number, register, 4, value)
    }
    setCommon(0x14, 1, 0)
    if chance(50) { machine.loop.turn(timeoutMilliseconds: 0) }
    for status: UInt64 in [1, 3] { setCommon(0x14, 1, status) }
    usesPackedRings = chance(50)
    let rings: UInt64 = usesPackedRings ? .max : ~(1 << 34)
    let features = chance(70) ? rings : (number() | 1 << 32 | (rings & 1 << 34)) & rings
    for select: UInt64 in 0...1 {
      setCommon(0x08, 4, select)
      setCommon(0x0c, 4, features >> (32 * select) & 0xffff_ffff)
    }
    setCommon(0x14, 1, 11)
    queueSize = pick([1, 2, 8, 8, 8, 64, 128])
    for queue in 0..<Self.queueCount where chance(95) { enable(queue) }
    setCommon(0x14, 1, 15)
    sendControl(port: .max, event: 0, value: 1)
  }

  func enable(_ queue: Int) {
    availableIndexes[queue] = 0
    let base = chance(97) ? ring(queue) : address()
    // The indexes start at zero; what else is there may be anything. In a packed ring nothing is
    // available before it is written.
    for offset: UInt64 in [0x800, 0xa00] {
      try? machine.memory.store(UInt32(0), at: ring(queue) + offset)
    }
    if usesPackedRings {
      for entry in 0..<UInt64(queueSize) {
        try? machine.memory.store(UInt16(0), at: ring(queue) + 16 * entry + 14)
      }
    }
    setCommon(0x16, 2, UInt64(queue))
    setCommon(0x18, 2, UInt64(queueSize))
    for (register, at) in [(0x20, base), (0x28, base &+ 0x800), (0x30, base &+ 0xa00)]
      as [(UInt64, UInt64)]
    {
      setCommon(register, 4, at & 0xffff_ffff)
      setCommon(register + 4, 4, at >> 32)
    }
    setCommon(0x1c, 2, 1)
  }

  func setCommon(_ offset: UInt64, _ width: Int, _ value: UInt64) {
    write(1, offset, width, value)
  }

  /// Any field at any width, with values that mean something.
  func attackCommonConfiguration() {
    switch Int.random(in: 0..<10, using: &random) {
    case 0: setCommon(0x14, 1, pick([0, 1, 3, 11, 15, 7, 0x80, 0x40, 0xff]))
    case 1...3:
      setCommon(0x16, 2, chance(80) ? UInt64(queue()) : number())
      setCommon(pick([0x18, 0x1a, 0x1c, 0x1e, 0x3a]), 2, chance(50) ? 1 : number())
    case 4:
      let at = address()
      setCommon(pick([0x20, 0x28, 0x30]), pick([4, 8]), at)
    case 5: setCommon(UInt64.random(in: 0..<0x44, using: &random), width(), number())
    case 6: setCommon(pick([0x10, 0x1a]), 2, chance(50) ? UInt64(queue()) : number())
    default: _ = read(1, UInt64.random(in: 0..<0x44, using: &random), width())
    }
  }

  /// The registers of drivers before virtio 1.0, where the device has them.
  func attackLegacyPorts() {
    let base = AttackedMachine.legacyPorts
    func out(_ offset: UInt64, _ width: Int, _ value: UInt64) {
      machine.ports.write(address: base + offset, width: width, value: value)
    }
    guard chance(20) else {
      let offset = UInt64.random(in: 0..<40, using: &random)
      guard chance(60) else {
        _ = machine.ports.read(address: base + offset, width: width())
        return
      }
      return out(offset, chance(70) ? pick([1, 2, 4]) : width(), number())
    }
    out(18, 1, 0)
    for status: UInt64 in [1, 3] { out(18, 1, status) }
    out(4, 4, chance(70) ? 0xffff_ffff : number())
    usesPackedRings = false
    for queue in 0..<Self.queueCount where chance(90) {
      availableIndexes[queue] = 0
      out(14, 2, UInt64(queue))
      out(8, 4, chance(90) ? ring(queue) >> 12 : number())
    }
    out(18, 1, 7)
  }

  func attackDeviceConfiguration() {
    let structure = pick([3, 4])
    let offset = UInt64.random(in: 0..<20, using: &random)
    if chance(50) {
      _ = read(structure, offset, width())
    } else {
      write(structure, offset, width(), number())
    }
  }

  func kick() {
    let queue = chance(95) ? UInt64(queue()) : number() & 0xffff
    write(2, 4 * queue, chance(90) ? 2 : width(), chance(90) ? queue : number())
  }

  func attackMessages() {
    let offset = 16 * UInt64.random(in: 0..<70, using: &random) + pick([0, 4, 8, 12, 13, 15])
    if chance(10) {
      configure(
        slot: machine.target.number, structures.messageCapability + 2, 2,
        pick([0, 0x8000, 0xc000, number()]))
    } else if chance(80) {
      let value = pick([0, 1, 0xfee0_0000, 0xfee0_1000, number()])
      machine.space.write(
        address: bar &+ structures.messageTable &+ offset, width: width(), value: value)
    } else {
      _ = machine.space.read(address: bar &+ structures.messageTable &+ offset, width: width())
    }
  }
}
