// Under 30 lines, since it only gives the library's names to what the devices count.
import Virtio
import VirtioConsole

/// What one port is, which sides have it open, and what went through it.
public typealias VirtioConsolePortReport = PortStatistics

/// What one virtio-console device and its ports are doing, and what happened on them.
public typealias VirtioConsoleDeviceReport = DeviceStatistics

/// What happened on one queue.
public typealias VirtioQueueReport = QueueStatistics

extension VirtioConsoleDeviceConfiguration {
  /// What the device is called in reports.
  ///
  /// - Parameter number: how many devices the machine has had before.
  func label(number: Int) -> String { id ?? "virtio-serial\(number)" }
}
