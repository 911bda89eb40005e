/// Where the initial RAM disk goes.
package enum Initrd {
  private static let pageSize: UInt64 = 4096

  /// The highest page-aligned place between the kernel and the end of low memory, where it is in
  /// nobody's way while the kernel unpacks itself.
  ///
  /// - Parameters:
  ///   - size: bytes of the initrd file.
  ///   - kernel: whose footprint and limit are respected.
  ///   - lowMemoryEnd: end of the RAM below the hole.
  package static func place(
    size: UInt64, kernel: KernelImage, lowMemoryEnd: UInt64
  ) throws(BootError) -> Range<UInt64> {
    guard size > 0 else { throw .initrdEmpty }
    let end = min(lowMemoryEnd, kernel.initrdLimit)
    let lowest = kernel.footprint.upperBound.alignedUp(to: pageSize) ?? .max
    let available = end > lowest ? end - lowest : 0
    guard size <= available else { throw .initrdTooLarge(size: size, available: available) }
    let start = (end - size).alignedDown(to: pageSize)
    return start..<(start + size)
  }
}
