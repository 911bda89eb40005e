import Host

/// The result of a `ckvm_` wrapper, or the error it stands for under the name of the call.
@discardableResult
func checked(_ call: String, _ result: Int32) throws(SystemError) -> Int32 {
  guard result >= 0 else { throw SystemError(call, errno: -result) }
  return result
}

/// Memory for a C structure that ends in a flexible array: a header and `capacity` elements after
/// it, zero-filled.
///
/// KVM's three such structures (`kvm_cpuid2`, `kvm_msrs`, `kvm_irq_routing`) import without their
/// array member.
struct TrailingArray<Header, Element>: ~Copyable {
  private let raw: UnsafeMutableRawPointer
  let capacity: Int

  init(capacity: Int) {
    let byteCount = MemoryLayout<Header>.size + capacity * MemoryLayout<Element>.stride
    raw = .allocate(
      byteCount: byteCount,
      alignment: max(MemoryLayout<Header>.alignment, MemoryLayout<Element>.alignment))
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    self.capacity = capacity
  }

  deinit { raw.deallocate() }

  var header: UnsafeMutablePointer<Header> { raw.assumingMemoryBound(to: Header.self) }

  var elements: UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(
      start: (raw + MemoryLayout<Header>.size).assumingMemoryBound(to: Element.self),
      count: capacity)
  }
}
