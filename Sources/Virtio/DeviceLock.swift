import Synchronization

/// The one lock of a virtio device.
///
/// vCPU threads hold it for one register access, the I/O thread for one bounded batch of buffers.
/// A device's classes carry no locks of their own: whoever enters the device takes this one, and
/// the classes are `@unchecked Sendable` on that condition. Nothing that is called under it waits
/// or calls back into the device.
package final class DeviceLock: Sendable {
  private let mutex = Mutex<Void>(())

  package init() {}

  /// Runs `body` with the device locked. Not recursive.
  package func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    mutex._unsafeLock()
    defer { mutex._unsafeUnlock() }
    return try body()
  }
}
