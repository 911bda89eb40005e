import TestSupport
import Testing

@testable import VirtioConsole

/// The queue that ports and control messages wait in.
@Suite struct FifoTests {
  @Test("Behaves like a plain array, whatever comes and goes", arguments: [1, 2, 3] as [UInt64])
  func behavesLikeAnArray(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var queue = Fifo<Int>()
    var model: [Int] = []
    for step in 0..<5000 {
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<5:
        queue.append(step)
        model.append(step)
      case 5..<9:
        #expect(queue.removeFirst() == (model.isEmpty ? nil : model.removeFirst()))
      default:
        let divisor = Int.random(in: 2...9, using: &generator)
        queue.removeAll { $0 % divisor == 0 }
        model.removeAll { $0 % divisor == 0 }
      }
      #expect(queue.first == model.first)
      #expect(queue.isEmpty == model.isEmpty)
    }
    while queue.removeFirst() != nil {}
    #expect(queue.isEmpty && queue.first == nil)
  }

  @Test func letsGoOfWhatWasTaken() {
    final class Element {}
    var queue = Fifo<Element>()
    for _ in 0..<10 { queue.append(Element()) }
    weak let first = queue.first
    #expect(first != nil)
    queue.removeFirst()
    #expect(first == nil)
  }
}
