/// Carries a driver's available-buffer notifications to the device's own thread.
///
/// Called on vCPU threads with the device's lock held; nothing here waits. Each notification ends
/// in `VirtioDevice.queueNotified` on the device's thread.
package protocol DoorbellBinder: AnyObject, Sendable {
  /// Where queue 0's notify address is now, or nil while the region is not decoded. Queue n's is
  /// `VirtioPCIFunction.notifyMultiplier` × n above it.
  func move(to base: UInt64?)
  /// A notification that reached user space: passes it on, and may see to it that the next one
  /// does not come this way.
  func ring(queue: Int)
}
