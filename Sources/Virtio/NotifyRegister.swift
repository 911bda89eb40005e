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
