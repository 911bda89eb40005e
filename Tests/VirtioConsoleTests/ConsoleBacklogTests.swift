import CKVM
import Glibc
import TestSupport
import Testing

@testable import VirtioConsole

/// What a console's slow backend has missed.
@Suite struct ConsoleBacklogTests {
  private func append(
    _ bytes: [UInt8], to backlog: inout ConsoleBacklog, _ overflow: PortPolicy.Overflow
  ) -> Int {
    var bytes = bytes
    return bytes.withUnsafeMutableBytes { bytes in
      let segment = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
      return withUnsafePointer(to: segment) {
        backlog.append(UnsafeBufferPointer(start: $0, count: 1), overflow: overflow)
      }
    }
  }

  private func contents(_ backlog: borrowing ConsoleBacklog) -> [UInt8] {
    backlog.withSegments { segments in
      segments.flatMap { Array(UnsafeRawBufferPointer(start: $0.iov_base, count: $0.iov_len)) }
    }
  }

  @Test(
    "Bytes in, bytes out, and what was dropped, against a plain array",
    arguments: PortPolicy.Overflow.allCases, [1, 2, 3] as [UInt64])
  func behavesLikeAnArray(overflow: PortPolicy.Overflow, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var backlog = ConsoleBacklog()
    var model: [UInt8] = []
    var next: UInt8 = 0
    for _ in 0..<40 {
      let count = Int.random(in: 0...40_000, using: &generator)
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) &+ next }
      next &+= 77
      let room = ConsoleBacklog.capacity - model.count
      let dropped = append(bytes, to: &backlog, overflow)
      switch overflow {
      case .dropNewest, .wait: model += bytes.prefix(room)
      case .dropOldest: model = (model + bytes).suffix(ConsoleBacklog.capacity)
      }
      #expect(dropped == max(0, count - room))
      let taken = Int.random(in: 0...30_000, using: &generator)
      backlog.removeFirst(taken)
      model.removeFirst(min(taken, model.count))
      #expect(backlog.count == model.count)
      guard contents(backlog) == model else {
        Issue.record("the contents differ (seed \(seed))")
        return
      }
    }
  }

  @Test("More than the whole capacity at once: its first or its last bytes stay")
  func oversized() {
    let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 251) }
    for overflow in PortPolicy.Overflow.allCases {
      var backlog = ConsoleBacklog()
      _ = append([1, 2, 3], to: &backlog, overflow)
      let dropped = append(bytes, to: &backlog, overflow)
      #expect(dropped == 200_003 - ConsoleBacklog.capacity)
      #expect(
        contents(backlog)
          == (overflow == .dropOldest
            ? Array(bytes.suffix(ConsoleBacklog.capacity))
            : [1, 2, 3] + bytes.prefix(ConsoleBacklog.capacity - 3)))
    }
  }
}
