import Synchronization

/// Accesses to words in guest memory that the guest reads or writes at the same time.
///
/// Each is one instruction; the compiler neither repeats nor splits nor drops it. Pointers come from
/// `GuestMemory.pointer(at:count:)` and must be aligned to the word's size: check a ring's address when
/// the queue is enabled. Values are little-endian, as x86 is.
///
/// Public, as is `GuestMemory`: the compiler inlines public functions across modules, not `package` ones,
/// and each of these is called several times for every buffer.
public enum GuestWord {
  /// A plain read: of a field that the guest published before the index that names it.
  @inlinable @inline(__always)
  public static func load16(_ pointer: UnsafeRawPointer) -> UInt16 {
    pointer.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .relaxed)
  }

  /// See `load16`.
  @inlinable @inline(__always)
  public static func load32(_ pointer: UnsafeRawPointer) -> UInt32 {
    pointer.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .relaxed)
  }

  /// See `load16`.
  @inlinable @inline(__always)
  public static func load64(_ pointer: UnsafeRawPointer) -> UInt64 {
    pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
  }

  /// Reads an index; nothing read later is older than what the guest wrote before this index.
  @inlinable @inline(__always)
  public static func loadAcquire16(_ pointer: UnsafeRawPointer) -> UInt16 {
    pointer.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .acquiring)
  }

  /// See `loadAcquire16`; for a word with a part that says that the rest is valid.
  @inlinable @inline(__always)
  package static func loadAcquire64(_ pointer: UnsafeRawPointer) -> UInt64 {
    pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
  }

  /// A plain write.
  @inlinable @inline(__always)
  public static func store16(_ pointer: UnsafeMutableRawPointer, _ value: UInt16) {
    pointer.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(value, ordering: .relaxed)
  }

  /// See `store16`.
  @inlinable @inline(__always)
  public static func store32(_ pointer: UnsafeMutableRawPointer, _ value: UInt32) {
    pointer.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(value, ordering: .relaxed)
  }

  /// See `store16`.
  @inlinable @inline(__always)
  public static func store64(_ pointer: UnsafeMutableRawPointer, _ value: UInt64) {
    pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .relaxed)
  }

  /// Publishes an index: a guest that sees it sees everything written before.
  @inlinable @inline(__always)
  public static func storeRelease16(_ pointer: UnsafeMutableRawPointer, _ value: UInt16) {
    pointer.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(value, ordering: .releasing)
  }

  /// See `storeRelease16`.
  @inlinable @inline(__always)
  package static func storeRelease64(_ pointer: UnsafeMutableRawPointer, _ value: UInt64) {
    pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .releasing)
  }

  /// Orders an earlier write before a later read, as needed between publishing an index and checking
  /// whether the other side asks for a notification (virtio 1.2, 2.7.7 and 2.7.10).
  @inlinable @inline(__always)
  public static func fence() {
    atomicMemoryFence(ordering: .sequentiallyConsistent)
  }
}
