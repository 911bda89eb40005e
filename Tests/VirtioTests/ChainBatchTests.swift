import GuestMemory
import TestSupport
import Testing
import Virtio

@Suite struct ChainBatchTests {
  /// A list of chains with the given segment lengths, holding bytes 0, 1, 2, ….
  private func makeList(_ chains: [[Int]]) throws -> (GuestMemory, ChainBatch) {
    let memory = try GuestMemory(regions: [0..<0x10_0000])
    let mock = MockQueue(memory: memory, base: 0x1000, size: 16)
    let queue = try Virtqueue(
      index: 0, configuration: mock.configuration(), features: .version1, memory: memory)
    var address: UInt64 = 0x8000
    var value: UInt8 = 0
    for lengths in chains {
      mock.publish(
        lengths.map { length in
          memory.put((0..<length).map { value &+ UInt8($0) }, at: address)
          defer {
            address += UInt64(length) + 7
            value &+= UInt8(length)
          }
          return .init(address, length)
        })
    }
    let list = ChainBatch()
    try queue.gather(.readable, into: list, byteLimit: .max)
    return (memory, list)
  }

  private func bytes(of list: ChainBatch) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xff, count: 64)
    let count = bytes.withUnsafeMutableBytes { list.copyBytes(to: $0) }
    return Array(bytes.prefix(count))
  }

  @Test func dropsAnyNumberOfBytesFromTheFront() throws {
    for dropped in 0...15 {
      let (memory, list) = try makeList([[3, 4], [5]])
      list.dropFirst(dropped)
      let left = max(0, 12 - dropped)
      #expect(list.byteCount == left)
      #expect(bytes(of: list) == (0..<12).suffix(left).map { UInt8($0) })
      #expect(list.chains.map(\.byteCount) == [7, 5], "the chains stay as they were")
      _ = memory
    }
  }

  @Test func dropsInSeveralSteps() throws {
    let (memory, list) = try makeList([[3, 4], [5]])
    for _ in 0..<4 { list.dropFirst(2) }
    #expect(bytes(of: list) == [8, 9, 10, 11])
    _ = memory
  }

  @Test func keepsAnyNumberOfBytesFromAnyPlace() throws {
    for dropped in 0...12 {
      for kept in 0...13 {
        let (memory, list) = try makeList([[3, 4], [5]])
        list.dropFirst(dropped)
        list.keepFirst(kept)
        #expect(bytes(of: list) == (0..<12).dropFirst(dropped).prefix(kept).map { UInt8($0) })
        #expect(list.byteCount == min(12 - dropped, kept))
        #expect(list.chains.map(\.byteCount) == [7, 5], "the chains stay as they were")
        _ = memory
      }
    }
  }

  @Test func copiesNoMoreThanFits() throws {
    let (memory, list) = try makeList([[3, 4], [5]])
    var small = [UInt8](repeating: 0xff, count: 5)
    #expect(small.withUnsafeMutableBytes { list.copyBytes(to: $0) } == 5)
    #expect(small == [0, 1, 2, 3, 4])
    let source = [UInt8](repeating: 9, count: 4)
    #expect(source.withUnsafeBytes { list.copyBytes(from: $0) } == 4)
    #expect(bytes(of: list) == [9, 9, 9, 9, 4, 5, 6, 7, 8, 9, 10, 11])
    let long = [UInt8](repeating: 1, count: 40)
    #expect(long.withUnsafeBytes { list.copyBytes(from: $0) } == 12)
    _ = memory
  }

  @Test func isEmptyAgainAfterRemoveAll() throws {
    let (memory, list) = try makeList([[3, 4], [5]])
    list.dropFirst(4)
    list.removeAll()
    #expect(list.byteCount == 0)
    #expect(list.segments.isEmpty)
    #expect(list.chains.isEmpty)
    _ = memory
  }
}
