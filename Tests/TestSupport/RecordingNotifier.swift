import Virtio

/// A transport that only remembers what it was told.
package final class RecordingNotifier: VirtioInterrupt {
  /// Queue numbers of used-buffer notifications, in order.
  package private(set) var used: [Int] = []
  package private(set) var configurationChanges = 0
  package private(set) var faults: [QueueFault] = []
  /// Told of a fault, as a transport does.
  package weak var controller: VirtioDeviceState?

  package init() {}

  package func notifyUsedBuffers(queue: Int) { used.append(queue) }
  package func notifyConfigurationChange() { configurationChanges += 1 }

  package func fail(_ fault: QueueFault) {
    faults.append(fault)
    if controller?.setNeedsReset() == true { configurationChanges += 1 }
  }

  /// The notifications so far, and forgets them.
  package func takeUsed() -> [Int] {
    defer { used = [] }
    return used
  }
}
