import Glibc

/// The one lock of a virtio device.
///
/// vCPU threads hold it for one register access, the I/O thread for one bounded batch of buffers.
/// A device's classes carry no locks of their own: whoever enters the device takes this one, and
/// the classes are `@unchecked Sendable` on that condition. Nothing that is called under it waits
/// or calls back into the device.
///
/// A POSIX mutex, since `Synchronization.Mutex` owns what it guards, and here the guarded state is
/// a graph of objects that refer to each other.
package final class DeviceLock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  package init() { pthread_mutex_init(mutex, nil) }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` with the device locked. Not recursive.
  package func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }
}
