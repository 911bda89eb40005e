/// The MSI-X structures of one function: vector table, pending bits, and which vector may interrupt
/// when (PCI 3.0, 6.8.2).
///
/// A vector gets its route when it first interrupts. The route is programmed then, and again when the
/// message has changed: guests program every vector several times and use few of them. If the host
/// has no route left, messages are sent without one. A value without a lock: its function's lock
/// guards it.
package struct MSIXTable: Sendable {
  /// The largest number of vectors (PCI 3.0, 6.8.2.3).
  package static let largestVectorCount = 2048

  private struct Vector {
    var address: UInt64 = 0
    var data: UInt32 = 0
    var isMasked = true
    var isPending = false
    var route: (any MSIRoute)?
    var programmed: (address: UInt64, data: UInt32)?

    /// Whether it is as after power-on.
    var isUntouched: Bool {
      address == 0 && data == 0 && isMasked && !isPending && route == nil
    }
  }

  /// Whether the guest has switched the function to MSI-X. If not, triggers are dropped.
  package private(set) var isEnabled = false
  private var isFunctionMasked = false
  /// The vectors that are not as after power-on.
  private var touched: [Int: Vector] = [:]
  private let router: any MSIRouter

  /// - Parameter vectorCount: 1–2048.
  package init(vectorCount: Int, router: any MSIRouter) {
    precondition(1...Self.largestVectorCount ~= vectorCount)
    self.vectorCount = vectorCount
    self.router = router
  }

  /// How many vectors there are.
  package let vectorCount: Int
  /// The size of the vector table, in bytes.
  package var tableSize: Int { 16 * vectorCount }
  /// The size of the pending bit array, in bytes.
  package var pendingBitsSize: Int { (vectorCount + 63) / 64 * 8 }

  /// Any vector below `vectorCount`; only touched ones are stored.
  private subscript(index: Int) -> Vector {
    get { touched[index] ?? Vector() }
    set { touched[index] = newValue.isUntouched ? nil : newValue }
  }

  /// What the guest reads in the vector table; zero outside it.
  package func readTable(offset: Int, width: Int) -> UInt64 {
    guard isInside(offset, width, tableSize) else { return 0 }
    return AccessPieces(offset: UInt64(offset), width: width, widest: 4).read { offset, _ in
      UInt64(readWord(Int(offset) / 4)) >> (8 * (offset & 3))
    }
  }

  /// What the guest writes in the vector table, any width; dropped outside it.
  package mutating func writeTable(offset: Int, width: Int, value: UInt64) {
    guard isInside(offset, width, tableSize) else { return }
    AccessPieces(offset: UInt64(offset), width: width, widest: 4).write(value) {
      part, width, value in
      let shift = 8 * (part & 3)
      let mask = UInt64.allOnes(width: width) << shift
      let index = Int(part) / 4
      let word = (UInt64(readWord(index)) & ~mask) | (value << shift)
      writeWord(index, UInt32(truncatingIfNeeded: word))
    }
    for index in offset / 16...(offset + width - 1) / 16 { update(index) }
  }

  /// What the guest reads in the pending bit array, which it cannot write; zero outside it.
  package func readPendingBits(offset: Int, width: Int) -> UInt64 {
    guard isInside(offset, width, pendingBitsSize) else { return 0 }
    return (0..<8 * width).reduce(0) { bits, bit in
      let index = 8 * offset + bit
      guard touched[index]?.isPending == true else { return bits }
      return bits | 1 << UInt64(bit)
    }
  }

  /// Follows the message control register of the capability at `capability`, and the bus master bit:
  /// messages are writes to memory, and wait while it is clear. To be called after each write to
  /// configuration space.
  package mutating func update(from configuration: ConfigurationSpace, capability: Int) {
    let control = configuration.read(register: capability + 2, width: 2)
    setControl(
      enabled: control & 1 << 15 != 0,
      functionMasked: control & 1 << 14 != 0 || !configuration.isBusMasterEnabled)
  }

  /// Follows the capability's message control: its enable and function mask bits.
  package mutating func setControl(enabled: Bool, functionMasked: Bool) {
    guard enabled != isEnabled || functionMasked != isFunctionMasked else { return }
    isEnabled = enabled
    isFunctionMasked = functionMasked
    for index in touched.keys.sorted() {
      if !enabled { self[index].isPending = false }
      update(index)
    }
  }

  /// Interrupts, now or when the vector is unmasked. A number beyond the table, such as virtio's
  /// NO_VECTOR, is dropped.
  package mutating func trigger(vector index: Int) {
    guard isEnabled, 0..<vectorCount ~= index else { return }
    self[index].isPending = true
    update(index)
  }

  /// Sends what is pending, if the vector can interrupt now.
  private mutating func update(_ index: Int) {
    guard isEnabled, !isFunctionMasked else { return }
    var vector = self[index]
    guard vector.isPending, !vector.isMasked else { return }
    vector.isPending = false
    let message = (address: vector.address, data: vector.data)
    if vector.route == nil { vector.route = router.makeRoute() }
    if let route = vector.route {
      if vector.programmed.map({ $0 != message }) ?? true {
        route.program(address: message.address, data: message.data)
        vector.programmed = message
      }
      route.trigger()
    } else {
      router.send(address: message.address, data: message.data)
    }
    self[index] = vector
  }

  private func readWord(_ index: Int) -> UInt32 {
    let vector = self[index / 4]
    return switch index % 4 {
    case 0: UInt32(truncatingIfNeeded: vector.address)
    case 1: UInt32(truncatingIfNeeded: vector.address >> 32)
    case 2: vector.data
    default: vector.isMasked ? 1 : 0
    }
  }

  private mutating func writeWord(_ index: Int, _ word: UInt32) {
    let entry = index / 4
    switch index % 4 {
    case 0:
      self[entry].address = (self[entry].address & ~0xffff_ffff) | UInt64(word & ~3)
    case 1:
      self[entry].address = (self[entry].address & 0xffff_ffff) | UInt64(word) << 32
    case 2: self[entry].data = word
    default: self[entry].isMasked = word & 1 != 0
    }
  }

  private func isInside(_ offset: Int, _ width: Int, _ size: Int) -> Bool {
    1...8 ~= width && offset >= 0 && offset <= size - width
  }
}

extension PCICapability {
  /// The MSI-X capability, whose enable and function mask bits the guest can write (PCI 3.0, 6.8.2.3).
  ///
  /// - Parameters:
  ///   - bar: the register of the region that holds both structures, 0–5.
  ///   - table: where the vector table lies in it, a multiple of 8.
  ///   - pendingBits: where the pending bits lie in it, a multiple of 8.
  package static func msix(
    vectorCount: Int, bar: Int, table: UInt64, pendingBits: UInt64
  ) -> PCICapability {
    let size = UInt64(truncatingIfNeeded: vectorCount - 1) & 0x7ff
    let location = [table, pendingBits].map { $0 & ~7 | UInt64(bar & 7) }
    let body = [(size, 2), (location[0], 4), (location[1], 4)].flatMap { value, width in
      (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }
    return PCICapability(id: 0x11, body: body, writable: [0, 0xc0])
  }
}
