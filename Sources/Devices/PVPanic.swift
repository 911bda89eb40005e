/// QEMU's pvpanic device: one register by which a guest's kernel tells that it has panicked
/// (QEMU's docs/specs/pvpanic).
///
/// Reading gives the events it takes, writing tells of events. Unknown ones are dropped.
package final class PVPanic: ByteRegisterDevice {
  /// What a guest tells.
  package enum Event: Equatable, Sendable {
    /// The kernel has panicked, and decides itself what comes next.
    case panicked
    /// The kernel has panicked, and its crash kernel takes over.
    case crashKernelLoaded
  }

  /// The length of its range of ports.
  package static let size: UInt64 = 1

  private let onEvent: @Sendable (Event) -> Void

  /// - Parameter onEvent: told of each event, on the vCPU thread; it must not block.
  package init(onEvent: @escaping @Sendable (Event) -> Void) {
    self.onEvent = onEvent
  }

  /// The events that can be told.
  package func readByte(offset: UInt64) -> UInt8 { Bit.panicked | Bit.crashKernelLoaded }

  /// A panic counts for more than a crash kernel, as in QEMU.
  package func writeByte(offset: UInt64, value: UInt8) {
    if value & Bit.panicked != 0 {
      onEvent(.panicked)
    } else if value & Bit.crashKernelLoaded != 0 {
      onEvent(.crashKernelLoaded)
    }
  }
}

private enum Bit {
  static let panicked: UInt8 = 1 << 0
  static let crashKernelLoaded: UInt8 = 1 << 1
}
