/// Which way a queue's buffers go, seen from the device.
package enum BufferDirection: Sendable {
  /// The device reads them: a transmit queue.
  case readable
  /// The device writes them: a receive queue.
  case writable
}
