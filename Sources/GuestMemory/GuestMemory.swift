import CKVM
import Glibc
import Host

/// Why an access to guest memory was refused.
public enum GuestMemoryError: Error, Equatable, Sendable {
  /// The `count` bytes at guest-physical `address` do not lie in one region of RAM.
  case outOfRange(address: UInt64, count: UInt64)
}

/// The guest's RAM: owns its anonymous mappings and translates guest-physical addresses.
///
/// The guest writes to it at any time from other threads. So every access goes through here or
/// `GuestWord`, is checked against the regions, and reads each byte once; only the copy is judged.
/// Never bind a Swift array, `inout` or reference to this memory.
///
/// Callable on any thread. Pointers handed out are valid while the object lives.
public final class GuestMemory: @unchecked Sendable {
  /// One contiguous piece of RAM.
  public struct Region: @unchecked Sendable {
    /// Guest-physical address of the first byte.
    public let guestAddress: UInt64
    /// In bytes, a multiple of the page size.
    public let size: UInt64
    /// Where the first byte is mapped in this process.
    public let hostAddress: UnsafeMutableRawPointer

    /// The host address of a range that lies inside the region, or nil.
    @inlinable @inline(__always)
    func pointer(at address: UInt64, count: UInt64) -> UnsafeMutableRawPointer? {
      // An address below the region wraps to an offset above every size: regions end below 2^63.
      let offset = address &- guestAddress
      guard offset <= size, count <= size &- offset else { return nil }
      return hostAddress + Int(truncatingIfNeeded: offset)
    }
  }

  /// The memory that x86 maps with one entry of a page directory.
  private static let largePage = 2 << 20

  /// In ascending order of guest address, none overlapping another.
  package let regions: [Region]

  /// The region of nearly every access, without the array's indirection.
  @usableFromInline let first: Region

  /// Maps zero-filled memory for the given guest-physical ranges; pages take up host memory only when
  /// used.
  ///
  /// - Parameters:
  ///   - ranges: ascending, not overlapping, none empty, bounds multiples of the page size.
  ///   - usesHugePages: whether the host shall give large pages if it can: guests are faster, and take
  ///     up memory in steps of 2 MiB.
  /// - Throws: `SystemError` of mmap; EINVAL if `ranges` is not as described.
  package init(
    regions ranges: [Range<UInt64>], usesHugePages: Bool = true
  ) throws(SystemError) {
    guard let firstRange = ranges.first, Self.areValid(ranges) else {
      throw SystemError("mmap of guest memory", errno: EINVAL)
    }
    let first = try Self.map(firstRange, usesHugePages)
    var regions = [first]
    for range in ranges.dropFirst() {
      do throws(SystemError) {
        regions.append(try Self.map(range, usesHugePages))
      } catch {
        Self.unmap(regions)
        throw error
      }
    }
    self.first = first
    self.regions = regions
  }

  deinit { Self.unmap(regions) }

  /// The host address of `count` bytes at guest-physical `address`, all within one region.
  ///
  /// An empty range is accepted anywhere in a region and at its end.
  @inlinable
  public func pointer(at address: UInt64, count: UInt64) throws(GuestMemoryError)
    -> UnsafeMutableRawPointer
  {
    if let pointer = first.pointer(at: address, count: count) { return pointer }
    return try pointerOutsideFirst(at: address, count: count)
  }

  /// Reads a little-endian integer, once; no alignment needed.
  @inlinable
  public func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ address: UInt64, as type: T.Type
  ) throws(GuestMemoryError) -> T {
    let pointer = try pointer(at: address, count: UInt64(MemoryLayout<T>.size))
    switch MemoryLayout<T>.size {
    case 1: return T(truncatingIfNeeded: ckvm_load8(pointer))
    case 2: return T(truncatingIfNeeded: ckvm_load16(pointer))
    case 4: return T(truncatingIfNeeded: ckvm_load32(pointer))
    case 8: return T(truncatingIfNeeded: ckvm_load64(pointer))
    default: return T(littleEndian: pointer.loadUnaligned(as: T.self))
    }
  }

  /// Writes a little-endian integer, once; no alignment needed.
  @inlinable
  public func store<T: FixedWidthInteger & BitwiseCopyable>(
    _ value: T, at address: UInt64
  ) throws(GuestMemoryError) {
    let pointer = try pointer(at: address, count: UInt64(MemoryLayout<T>.size))
    switch MemoryLayout<T>.size {
    case 1: ckvm_store8(pointer, UInt8(truncatingIfNeeded: value))
    case 2: ckvm_store16(pointer, UInt16(truncatingIfNeeded: value))
    case 4: ckvm_store32(pointer, UInt32(truncatingIfNeeded: value))
    case 8: ckvm_store64(pointer, UInt64(truncatingIfNeeded: value))
    default: pointer.storeBytes(of: value.littleEndian, as: T.self)
    }
  }

  /// `count` bytes at guest-physical `address`, all within one region, for a system call to fill.
  package func buffer(
    at address: UInt64, count: Int
  ) throws(GuestMemoryError) -> UnsafeMutableRawBufferPointer {
    let start = try pointer(at: address, count: UInt64(count))
    return UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  /// Copies guest memory out, filling `buffer`.
  package func read(
    _ address: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(GuestMemoryError) {
    let source = try pointer(at: address, count: UInt64(buffer.count))
    guard let destination = buffer.baseAddress else { return }
    memcpy(destination, source, buffer.count)
  }

  /// Copies all of `bytes` into guest memory.
  package func write(
    _ bytes: UnsafeRawBufferPointer, at address: UInt64
  ) throws(GuestMemoryError) {
    let destination = try pointer(at: address, count: UInt64(bytes.count))
    guard let source = bytes.baseAddress else { return }
    memcpy(destination, source, bytes.count)
  }

  @usableFromInline
  func pointerOutsideFirst(at address: UInt64, count: UInt64) throws(GuestMemoryError)
    -> UnsafeMutableRawPointer
  {
    for region in regions.dropFirst() {
      if let pointer = region.pointer(at: address, count: count) { return pointer }
    }
    throw .outOfRange(address: address, count: count)
  }
}

extension GuestMemory {
  private static func areValid(_ ranges: [Range<UInt64>]) -> Bool {
    let pageMask = UInt64(sysconf(Int32(_SC_PAGESIZE))) &- 1
    var end: UInt64 = 0
    for range in ranges {
      guard range.lowerBound >= end, !range.isEmpty, Int(exactly: range.upperBound) != nil,
        (range.lowerBound | range.upperBound) & pageMask == 0
      else { return false }
      end = range.upperBound
    }
    return true
  }

  /// KVM maps large pages only if guest and host addresses have the same lowest 21 bits. So more is
  /// mapped than needed, and the excess at both ends is unmapped.
  private static func map(
    _ range: Range<UInt64>, _ usesHugePages: Bool
  ) throws(SystemError) -> Region {
    let size = Int(range.upperBound - range.lowerBound)
    let (room, overflow) = size.addingReportingOverflow(largePage)
    let mapped =
      overflow
      ? nil
      : mmap(
        nil, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let mapped, mapped != MAP_FAILED else {
      throw SystemError(
        "mmap of \(size >> 20) MiB of guest memory", errno: overflow ? ENOMEM : errno)
    }
    let address = UInt64(UInt(bitPattern: mapped))
    let excess = Int((range.lowerBound &- address) & UInt64(largePage - 1))
    let start = mapped + excess
    if excess > 0 { munmap(mapped, excess) }
    munmap(start + size, largePage - excess)
    // Fails only on a host without large pages.
    madvise(start, size, usesHugePages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE)
    return Region(guestAddress: range.lowerBound, size: UInt64(size), hostAddress: start)
  }

  private static func unmap(_ regions: [Region]) {
    for region in regions { munmap(region.hostAddress, Int(region.size)) }
  }
}
