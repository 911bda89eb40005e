import CKVM
import Glibc
import Host

/// One connected control socket: transfers that never block, with descriptors beside the bytes where
/// it is a Unix socket (SCM_RIGHTS, unix(7)).
package struct ControlConnection: ~Copyable {
  /// What came of receiving.
  package enum Receipt {
    /// At least one byte.
    case bytes([UInt8])
    case wouldBlock
    /// The peer sends no more.
    case end
    case failed
  }

  /// How many descriptors come beside the bytes at once, at most; the kernel closes more.
  static let passedLimit = 16

  private let descriptor: FileDescriptor

  /// For waiting until it is ready.
  package var number: Int32 { descriptor.rawValue }

  /// Takes over a connected stream socket in non-blocking mode.
  package init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

  /// Receives at most so many bytes; descriptors go to `passed`.
  package func receive(
    limit: Int, passed: (consuming FileDescriptor) -> Void
  ) -> Receipt {
    var numbers = [Int32](repeating: -1, count: Self.passedLimit)
    var (result, passedCount) = (0, 0)
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { room, count in
      result = clinux_receive(number, room.baseAddress, limit, &numbers, &passedCount)
      count = max(0, result)
    }
    for number in numbers.prefix(passedCount) { passed(FileDescriptor(owning: number)) }
    switch result {
    case 1...: return .bytes(bytes)
    case 0: return .end
    default: return result == -Int(EAGAIN) ? .wouldBlock : .failed
    }
  }

  /// Sends what the socket takes now, a descriptor with the first byte.
  ///
  /// - Returns: how many bytes went; nil where the connection is of no use any more.
  package func send(_ bytes: ArraySlice<UInt8>, descriptor passed: Int32?) -> Int? {
    let result = bytes.withUnsafeBytes {
      clinux_send(number, $0.baseAddress, $0.count, passed ?? -1)
    }
    return result >= 0 ? result : result == -Int(EAGAIN) ? 0 : nil
  }
}
