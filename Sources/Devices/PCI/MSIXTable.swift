/// The MSI-X structures of one function: vector table, pending bits, and who may interrupt when
/// (PCI 3.0, 6.8.2).
///
/// A vector gets its route when it can first interrupt, and the route is programmed only when the
/// message has changed since, as guests write each entry several times. A value without a lock: it
/// lives under its function's.
package struct MSIXTable: Sendable {
  private struct Vector {
    var address: UInt64 = 0
    var data: UInt32 = 0
    var isMasked = true
    var isPending = false
    var route: (any MSIRoute)?
    var programmed: (address: UInt64, data: UInt32)?
  }

  /// Whether the guest has switched the function to MSI-X. If not, triggers are dropped.
  package private(set) var isEnabled = false
  private var isFunctionMasked = false
  private var vectors: [Vector]
  private let router: any MSIRouter

  /// - Parameter vectorCount: 1–2048.
  package init(vectorCount: Int, router: any MSIRouter) {
    precondition(1...2048 ~= vectorCount)
    vectors = Array(repeating: Vector(), count: vectorCount)
    self.router = router
  }

  /// How many vectors there are.
  package var vectorCount: Int { vectors.count }
  /// Of the vector table, in bytes.
  package var tableSize: Int { 16 * vectors.count }
  /// Of the pending bit array, in bytes.
  package var pendingBitsSize: Int { (vectors.count + 63) / 64 * 8 }

  /// What the guest reads in the vector table; zero outside it.
  package func readTable(offset: Int, width: Int) -> UInt64 {
    guard isInside(offset, width, tableSize) else { return 0 }
    return AccessPieces(offset: UInt64(offset), width: width, widest: 4).reduce(0) { value, piece in
      let word = readWord(Int(piece.offset) / 4)
      return value | piece.placed(UInt64(word) >> (8 * (piece.offset & 3)))
    }
  }

  /// What the guest writes in the vector table, any width; dropped outside it.
  package mutating func writeTable(offset: Int, width: Int, value: UInt64) {
    guard isInside(offset, width, tableSize) else { return }
    for piece in AccessPieces(offset: UInt64(offset), width: width, widest: 4) {
      let shift = 8 * (piece.offset & 3)
      let mask = UInt64.allOnes(width: piece.width) << shift
      let index = Int(piece.offset) / 4
      let word = (UInt64(readWord(index)) & ~mask) | (piece.part(of: value) << shift)
      writeWord(index, UInt32(truncatingIfNeeded: word))
    }
    let first = offset / 16
    let last = (offset + width - 1) / 16
    for index in first...last { update(index) }
  }

  /// What the guest reads in the pending bit array, which it cannot write; zero outside it.
  package func readPendingBits(offset: Int, width: Int) -> UInt64 {
    guard isInside(offset, width, pendingBitsSize) else { return 0 }
    return (0..<8 * width).reduce(0) { bits, bit in
      let index = 8 * offset + bit
      guard index < vectors.count, vectors[index].isPending else { return bits }
      return bits | 1 << UInt64(bit)
    }
  }

  /// Follows the capability's message control: its enable and function mask bits.
  package mutating func setControl(enabled: Bool, functionMasked: Bool) {
    guard enabled != isEnabled || functionMasked != isFunctionMasked else { return }
    isEnabled = enabled
    isFunctionMasked = functionMasked
    for index in vectors.indices {
      if !enabled { vectors[index].isPending = false }
      update(index)
    }
  }

  /// Interrupts, or remembers to when the vector is unmasked. A vector there is not, such as
  /// virtio's NO_VECTOR, is dropped.
  package mutating func trigger(vector index: Int) {
    guard isEnabled, vectors.indices.contains(index) else { return }
    vectors[index].isPending = true
    update(index)
  }

  /// All vectors masked, zero and not pending, MSI-X off. The routes are kept.
  package mutating func reset() {
    isEnabled = false
    isFunctionMasked = false
    for index in vectors.indices {
      let (route, programmed) = (vectors[index].route, vectors[index].programmed)
      vectors[index] = Vector(route: route, programmed: programmed)
    }
  }

  /// Brings the vector's route up to date and sends what is pending, if it can interrupt now.
  /// When the host has no route left the vector stays pending, and each trigger tries again.
  private mutating func update(_ index: Int) {
    guard isEnabled, !isFunctionMasked, !vectors[index].isMasked else { return }
    if vectors[index].route == nil { vectors[index].route = router.makeRoute() }
    guard let route = vectors[index].route else { return }
    let message = (address: vectors[index].address, data: vectors[index].data)
    if vectors[index].programmed.map({ $0 != message }) ?? true {
      route.program(address: message.address, data: message.data)
      vectors[index].programmed = message
    }
    if vectors[index].isPending {
      vectors[index].isPending = false
      route.trigger()
    }
  }

  private func readWord(_ index: Int) -> UInt32 {
    let vector = vectors[index / 4]
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
      vectors[entry].address = (vectors[entry].address & ~0xffff_ffff) | UInt64(word & ~3)
    case 1:
      vectors[entry].address = (vectors[entry].address & 0xffff_ffff) | UInt64(word) << 32
    case 2: vectors[entry].data = word
    default: vectors[entry].isMasked = word & 1 != 0
    }
  }

  private func isInside(_ offset: Int, _ width: Int, _ size: Int) -> Bool {
    1...8 ~= width && offset >= 0 && offset <= size - width
  }
}
