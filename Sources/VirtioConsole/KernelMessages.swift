import Glibc
import Synchronization

/// What a guest's kernel tells of itself when it breaks down; the gravest comes last.
package enum KernelFault: UInt8, Comparable, Sendable {
  case none
  /// It met a fault in itself, ended what it was doing, and went on.
  case oops
  /// It cannot go on.
  case panic

  package static func < (left: KernelFault, right: KernelFault) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// The gravest fault that a guest has told of in its life, by whatever way. Callable on any thread.
package final class KernelFaultRecord: Sendable {
  private let gravest = Atomic<UInt8>(KernelFault.none.rawValue)

  package init() {}

  /// What has been told until now.
  package var fault: KernelFault {
    KernelFault(rawValue: gravest.load(ordering: .relaxed)) ?? .none
  }

  /// The guest tells of a fault.
  package func note(_ fault: KernelFault) {
    if fault != .none { gravest.max(fault.rawValue, ordering: .relaxed) }
  }

  /// Another life of the guest begins.
  package func clear() { gravest.store(KernelFault.none.rawValue, ordering: .relaxed) }
}

/// Reads a console's output as it passes, in pieces cut anywhere, for what Linux prints when it breaks
/// down: `Kernel panic - not syncing`, and of an oops the end of its first line, such as
/// `: 0002 [#1]`. Costs two comparisons a byte, and keeps nothing of the text.
package struct KernelMessageReader: Sendable {
  /// A text of which the first byte is nowhere else in it: what does not fit can only begin anew.
  private struct Phrase {
    /// Stands for any hexadecimal digit.
    static let digit = UInt8(ascii: "x")

    let bytes: [UInt8]

    init(_ text: StaticString) {
      bytes = text.withUTF8Buffer { Array($0) }
    }

    /// How much of the text has been seen after one more byte.
    func matched(_ count: Int, then byte: UInt8) -> Int {
      if byte == bytes[0] { return 1 }
      guard count > 0 else { return 0 }
      let expected = bytes[count]
      let fits = expected == Self.digit ? isxdigit(Int32(byte)) != 0 : expected == byte
      return fits ? count + 1 : 0
    }
  }

  private static let panic = Phrase("Kernel panic - not syncing")
  private static let oops = Phrase(": xxxx [#")

  private var panicMatched = 0
  private var oopsMatched = 0

  package init() {}

  /// Reads the next byte; returns what it completes.
  package mutating func read(_ byte: UInt8) -> KernelFault {
    panicMatched = Self.panic.matched(panicMatched, then: byte)
    oopsMatched = Self.oops.matched(oopsMatched, then: byte)
    if panicMatched == Self.panic.bytes.count {
      panicMatched = 0
      return .panic
    }
    guard oopsMatched == Self.oops.bytes.count else { return .none }
    oopsMatched = 0
    return .oops
  }

  /// Reads the first `count` bytes of the segments; returns the gravest fault that they complete.
  mutating func read(_ segments: UnsafeBufferPointer<iovec>, count: Int) -> KernelFault {
    var fault = KernelFault.none
    var left = count
    for segment in segments where left > 0 {
      for byte in UnsafeRawBufferPointer(start: segment.iov_base, count: min(left, segment.iov_len))
      {
        fault = max(fault, read(byte))
      }
      left -= segment.iov_len
    }
    return fault
  }
}
