import CKVM
import Glibc
import Host

/// One connected control socket: transfers that never block, with descriptors beside the bytes where
/// it is a Unix socket (SCM_RIGHTS, unix(7)).
package struct ControlConnection: ~Copyable {
  /// What came of receiving.
  package enum Receipt {
    /// So many bytes, at least one.
    case bytes(Int)
    case wouldBlock
    /// The peer sends no more.
    case end
    case failed
  }

  /// A control message's header, padded: length, level, type.
  private static let headerSize = MemoryLayout<cmsghdr>.size

  let descriptor: FileDescriptor

  /// For waiting until it is ready.
  package var number: Int32 { descriptor.rawValue }

  /// Takes over a connected stream socket in non-blocking mode.
  package init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

  /// Receives into `room`; descriptors go to `passed`.
  package func receive(
    into room: UnsafeMutableRawBufferPointer, passed: (consuming FileDescriptor) -> Void
  ) -> Receipt {
    withUnsafeTemporaryAllocation(
      byteCount: Self.headerSize + PassedDescriptors.limit * MemoryLayout<Int32>.size,
      alignment: MemoryLayout<cmsghdr>.alignment
    ) { control in
      var segment = iovec(iov_base: room.baseAddress, iov_len: room.count)
      return withUnsafeMutablePointer(to: &segment) { segment in
        var message = msghdr()
        message.msg_iov = segment
        message.msg_iovlen = 1
        message.msg_control = control.baseAddress
        message.msg_controllen = control.count
        var count = -1
        repeat {
          count = recvmsg(
            descriptor.rawValue, &message, Int32(MSG_DONTWAIT | MSG_CMSG_CLOEXEC))
        } while count == -1 && errno == EINTR
        guard count >= 0 else { return errno == EAGAIN ? .wouldBlock : .failed }
        Self.takeDescriptors(
          UnsafeRawBufferPointer(rebasing: control[..<min(message.msg_controllen, control.count)]),
          passed)
        return count == 0 ? .end : .bytes(count)
      }
    }
  }

  /// The kernel writes whole messages, one after another, each starting at a multiple of 8.
  private static func takeDescriptors(
    _ control: UnsafeRawBufferPointer, _ passed: (consuming FileDescriptor) -> Void
  ) {
    var rest = control[...]
    while rest.count >= headerSize {
      let header = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: cmsghdr.self)
      let length = min(max(Int(header.cmsg_len), headerSize), rest.count)
      if header.cmsg_level == SOL_SOCKET, header.cmsg_type == Int32(SCM_RIGHTS) {
        var numbers = rest.prefix(length).dropFirst(headerSize)
        while numbers.count >= MemoryLayout<Int32>.size {
          let number = UnsafeRawBufferPointer(rebasing: numbers).loadUnaligned(as: Int32.self)
          passed(FileDescriptor(owning: number))
          numbers = numbers.dropFirst(MemoryLayout<Int32>.size)
        }
      }
      rest = rest.dropFirst((length + 7) & ~7)
    }
  }

  /// Sends what the socket takes now, a descriptor with the first byte.
  ///
  /// - Returns: how many bytes went; nil where the connection is of no use any more.
  package func send(_ bytes: ArraySlice<UInt8>, descriptor passed: Int32?) -> Int? {
    guard let passed else { return send(bytes) { _ in } }
    return withUnsafeTemporaryAllocation(
      byteCount: Self.headerSize + 8, alignment: MemoryLayout<cmsghdr>.alignment
    ) { control in
      var header = cmsghdr()
      header.cmsg_len = Self.headerSize + MemoryLayout<Int32>.size
      header.cmsg_level = SOL_SOCKET
      header.cmsg_type = Int32(SCM_RIGHTS)
      control.initializeMemory(as: UInt8.self, repeating: 0)
      control.storeBytes(of: header, as: cmsghdr.self)
      control.storeBytes(of: passed, toByteOffset: Self.headerSize, as: Int32.self)
      return send(bytes) { message in
        message.msg_control = control.baseAddress
        message.msg_controllen = control.count
      }
    }
  }

  private func send(_ bytes: ArraySlice<UInt8>, _ complete: (inout msghdr) -> Void) -> Int? {
    bytes.withUnsafeBytes { bytes in
      var segment = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
      return withUnsafeMutablePointer(to: &segment) { segment in
        var message = msghdr()
        message.msg_iov = segment
        message.msg_iovlen = 1
        complete(&message)
        while true {
          let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
          let count = sendmsg(descriptor.rawValue, &message, flags)
          if count >= 0 { return count }
          if errno != EINTR { return errno == EAGAIN ? 0 : nil }
        }
      }
    }
  }
}
