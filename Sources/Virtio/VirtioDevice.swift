import Glibc

/// What a device type implements; a transport and a `VirtioDeviceState` do the rest.
///
/// Calls are made with the device's lock held, by vCPU threads, except where stated.
package protocol VirtioDevice: AnyObject {
  /// The device ID (virtio 1.2, 5): 3 for a console.
  var deviceID: UInt16 { get }
  /// The device type's own features; those of the rings are offered besides.
  var offeredFeatures: Features { get }
  /// How many queues the driver may set up.
  var queueCount: Int { get }
  /// The largest size of a queue.
  func maximumSize(ofQueue index: Int) -> UInt16
  /// The length of the device-specific configuration in bytes.
  var configurationLength: Int { get }
  /// One byte of the device-specific configuration; `offset` is below `configurationLength`.
  func readConfiguration(offset: Int) -> UInt8
  /// How often the device-specific configuration has changed, whether a driver was there or not.
  var configurationChanges: UInt64 { get }
  /// A driver's write of `width` bytes, wholly below `configurationLength`.
  func writeConfiguration(offset: Int, width: Int, value: UInt64)
  /// DRIVER_OK: the device is live. `queues[i]` is queue i if the driver enabled it. Work is left to
  /// the device's own thread; a notification that came before counts as not yet seen.
  func activate(queues: [Int: Virtqueue], features: Features, driver: any VirtioInterrupt)
  /// The live device gets a queue: one that was reset by itself comes back, with other addresses and
  /// another size, or a legacy driver enables one late. A notification of it counts as not yet seen.
  func queueEnabled(_ index: Int, queue: Virtqueue)
  /// The live device loses a queue, which may not be touched any more (VIRTIO_F_RING_RESET; virtio
  /// 1.2, 2.6.1). Chains that were not completed are forgotten.
  func resetQueue(_ index: Int)
  /// The device is reset, or inert after a fault: no queue may be touched any more.
  func deactivate()
  /// Whether the transport may reach the guest's memory and interrupt it, which the driver decides
  /// (for PCI by the bus master bit). At first it may. While it may not, the device waits, and after
  /// that it looks at everything anew; said again, it changes nothing.
  func setReachesMemory(_ reaches: Bool)
  /// Whether notifications of queue `index` mean anything to the device. Called on the device's own
  /// thread, without the lock.
  func serves(queue index: Int) -> Bool
  /// The driver notified of buffers in queue `index`. Called on the device's own thread, without
  /// the lock, which the device takes for each bounded turn.
  func queueNotified(_ index: Int)
}

/// How a device reaches its driver. Calls are made with the device's lock held.
package protocol VirtioInterrupt: AnyObject {
  /// Buffers of the queue have been used (virtio 1.2, 2.3).
  func notifyUsedBuffers(queue: Int)
  /// The device-specific configuration has changed.
  func notifyConfigurationChange()
  /// The driver broke the queue: the device becomes inert and asks for a reset.
  func fail(_ fault: QueueFault)
}

/// Carries a driver's available-buffer notifications to the device's own thread.
///
/// Called on vCPU threads with the device's lock held; nothing here waits. Each notification ends
/// in `VirtioDevice.queueNotified` on the device's thread.
package protocol QueueNotifierBinding: AnyObject, Sendable {
  /// The notify register is at `address` now, a port's number or a guest address, or nowhere. Until
  /// the next `ring` every notification reaches user space.
  func place(_ register: NotifyRegister, at address: UInt64?)
  /// A notification that reached user space: passes it on, and may see to it that the next one
  /// does not come this way.
  func notify(queue: Int, through register: NotifyRegister)
}

/// By which kind of register a driver notifies the device of available buffers.
package enum NotifyRegister: Hashable, Sendable, CaseIterable {
  /// One address in memory for each queue, `VirtioPCIFunction.notifyMultiplier` apart; whatever is
  /// written (virtio 1.2, 4.1.4.4).
  case queueAddresses
  /// One port, to which the queue's number is written, 16 bits wide (virtio 1.2, 4.1.4.10).
  case indexPort
  /// One address in memory, to which the queue's number is written, 32 bits wide (virtio 1.2,
  /// 4.2.2).
  case indexRegister
}

/// The one lock of a virtio device.
///
/// vCPU threads hold it for one register access, the I/O thread for one bounded batch of buffers.
/// A device's classes carry no locks of their own: a thread that enters the device takes this one, and
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
