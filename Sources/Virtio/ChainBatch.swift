import Glibc
import GuestMemory

/// Buffers of one or more descriptor chains as one list of I/O vectors, ready for one
/// `readv`/`writev`: gathering several chains saves a system call for each but the first.
///
/// SuspendReasons at most `capacity` segments, allocated once; nothing is allocated per chain. The segments
/// point into guest memory that a `Virtqueue` has checked; they are valid as long as its
/// `GuestMemory` lives. Belongs to one thread, or to one lock.
package final class ChainBatch {
  /// One chain in the list.
  package struct Chain: Equatable, Sendable {
    /// By which it is returned to the driver: the index of its first descriptor in a split ring,
    /// the driver's buffer ID in a packed one.
    package let id: UInt16
    /// Entries of the ring it takes up: one in a split ring, one for each descriptor in a packed one.
    package let entryCount: UInt16
    /// Which way its buffers go.
    package let direction: BufferDirection
    /// Its length in bytes, at most 2^32.
    package let byteCount: Int
  }

  /// The most segments one system call takes (IOV_MAX), hence the longest chain supported.
  package static let capacity = 1024
  private static let descriptorCost = 64

  private let storage: UnsafeMutablePointer<iovec>
  private var first = 0
  private var end = 0
  private var openBytes = 0

  private var complete: [Chain] = []
  private var completeBytes = 0
  /// Descriptors looked at since the list was empty, those of no length too.
  private var descriptorCount = 0

  package init() {
    storage = .allocate(capacity: Self.capacity)
    complete.reserveCapacity(Self.capacity)
  }

  deinit { storage.deallocate() }

  /// The complete chains, in ring order.
  package var chains: [Chain] { complete }

  /// Bytes in all complete chains, less what `dropFirst` took.
  package var byteCount: Int { completeBytes }

  /// What the list has cost, in bytes: looking at a descriptor takes about as long as copying so many,
  /// and a guest may make descriptors of no length.
  package var cost: Int { max(completeBytes, Self.descriptorCost &* descriptorCount) }

  /// Whether no more chains are to be gathered.
  func isFull(byteLimit: Int) -> Bool {
    !isEmpty && (cost >= byteLimit || descriptorCount >= Self.capacity)
  }

  /// Whether a chain is complete.
  var isEmpty: Bool { complete.isEmpty }

  /// The segments in order.
  package var segments: UnsafeBufferPointer<iovec> {
    UnsafeBufferPointer(start: storage + first, count: end - first)
  }

  /// Forgets everything.
  package func removeAll() {
    first = 0
    end = 0
    openBytes = 0
    completeBytes = 0
    descriptorCount = 0
    complete.removeAll(keepingCapacity: true)
  }

  /// Adds a buffer to the chain being gathered, once it is checked; false when the list is full. One
  /// of no length is passed over.
  func append(
    at address: UInt64, length: UInt32, in memory: GuestMemory
  ) throws(RingViolation) -> Bool {
    let count = Int(length)
    descriptorCount &+= 1
    guard count > 0 else { return true }
    guard openBytes + count <= 1 << 32 else { throw .chainTooLarge }
    let base: UnsafeMutableRawPointer
    do { base = try memory.pointer(at: address, count: UInt64(length)) } catch {
      throw .bufferOutsideMemory(address: address, length: length)
    }
    guard end < Self.capacity else { return false }
    storage[end] = iovec(iov_base: base, iov_len: count)
    end += 1
    openBytes += count
    return true
  }

  /// Completes the chain being gathered.
  func closeChain(id: UInt16, entryCount: UInt16, _ direction: BufferDirection) {
    complete.append(
      Chain(id: id, entryCount: entryCount, direction: direction, byteCount: openBytes))
    completeBytes += openBytes
    openBytes = 0
  }

  /// Takes back the segments of the chain being gathered, for which the list has no room; a fault
  /// where the list held nothing else.
  func abandonChain(segmentsBefore: Int) throws(RingViolation) {
    end = segmentsBefore
    openBytes = 0
    guard segmentsBefore > 0 else { throw .chainTooLong }
  }

  /// Segments now in the list, for `abandonChain`.
  var mark: Int { end }

  /// Leaves out the first `count` bytes, which were transferred before; the chains stay.
  package func dropFirst(_ count: Int) {
    var left = min(count, byteCount)
    completeBytes -= left
    while left > 0, first < end {
      let length = storage[first].iov_len
      guard left < length else {
        left -= length
        first += 1
        continue
      }
      storage[first].iov_base = storage[first].iov_base.map { $0 + left }
      storage[first].iov_len = length - left
      left = 0
    }
  }

  /// Leaves out all but the first `count` bytes; the chains stay.
  package func keepFirst(_ count: Int) {
    guard count >= 0, count < byteCount else { return }
    completeBytes = count
    var left = count
    var index = first
    while left > 0, index < end {
      storage[index].iov_len = min(storage[index].iov_len, left)
      left -= storage[index].iov_len
      index += 1
    }
    end = index
  }

  /// Copies up to `destination.count` bytes from the start of the segments, each byte read once;
  /// returns how many.
  package func copyBytes(to destination: UnsafeMutableRawBufferPointer) -> Int {
    var copied = 0
    for segment in segments {
      guard let target = destination.baseAddress, copied < destination.count else { break }
      guard let base = segment.iov_base else { continue }
      let count = min(segment.iov_len, destination.count - copied)
      memcpy(target + copied, base, count)
      copied += count
    }
    return copied
  }

  /// Copies `source` over the start of the segments; returns how many bytes fitted.
  package func copyBytes(from source: UnsafeRawBufferPointer) -> Int {
    var copied = 0
    for segment in segments {
      guard let origin = source.baseAddress, copied < source.count else { break }
      guard let base = segment.iov_base else { continue }
      let count = min(segment.iov_len, source.count - copied)
      memcpy(base, origin + copied, count)
      copied += count
    }
    return copied
  }
}

/// Which way a queue's buffers go, seen from the device.
package enum BufferDirection: Sendable {
  /// The device reads them: a transmit queue.
  case readable
  /// The device writes them: a receive queue.
  case writable
}
