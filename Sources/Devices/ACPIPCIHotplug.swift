import Synchronization

/// Tells the guest of devices that come to the PCI bus or are to leave it, by a general-purpose event
/// of ACPI (ACPI 6.5, 4.8.4.1) and three registers that the ACPI tables' code knows.
///
/// One range of 16 ports: the event block's status and enable, two bytes each; then, one bit for each
/// slot and four bytes each, the slots that have been filled, those that are to be emptied (reading
/// forgets both: who is told twice empties the slot twice, perhaps of the next device), and a register
/// whose bits empty slots. The interrupt is the SCI, level-triggered,
/// asserted while the enabled event's status is set.
package final class ACPIPCIHotplug: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 16
  /// The number of the event in the event block.
  package static let event = 1

  private struct State {
    var status: UInt16 = 0
    var enable: UInt16 = 0
    var filled: UInt32 = 0
    var toBeEmptied: UInt32 = 0
    var isAsserted = false
  }

  private static let mask: UInt16 = 1 << event

  private let state = Mutex(State())
  private let interrupt: any InterruptLine
  private let onEject: @Sendable (Int) -> Void

  /// - Parameters:
  ///   - interrupt: the SCI; driven with the device's lock held.
  ///   - onEject: called on the vCPU thread for each slot that the guest empties, whether or not
  ///     anything is in it.
  package init(interrupt: any InterruptLine, onEject: @escaping @Sendable (Int) -> Void) {
    self.interrupt = interrupt
    self.onEject = onEject
  }

  /// A device has come to slot 0 to 31. Callable on any thread.
  package func slotFilled(_ slot: Int) {
    state.withLock { state in
      state.filled |= 1 << UInt32(slot & 31)
      raise(&state)
    }
  }

  /// The guest shall let the device in slot 0 to 31 go, and eject it. Callable on any thread.
  package func requestRemoval(ofSlot slot: Int) {
    state.withLock { state in
      state.toBeEmptied |= 1 << UInt32(slot & 31)
      raise(&state)
    }
  }

  /// A register byte.
  package func readByte(offset: UInt64) -> UInt8 {
    state.withLock { state in
      switch offset {
      case 0: return UInt8(truncatingIfNeeded: state.status)
      case 1: return UInt8(truncatingIfNeeded: state.status >> 8)
      case 2: return UInt8(truncatingIfNeeded: state.enable)
      case 3: return UInt8(truncatingIfNeeded: state.enable >> 8)
      case 4..<8:
        let shift = 8 * UInt32(offset - 4)
        defer { state.filled &= ~(0xff << shift) }
        return UInt8(truncatingIfNeeded: state.filled >> shift)
      case 8..<12:
        let shift = 8 * UInt32(offset - 8)
        defer { state.toBeEmptied &= ~(0xff << shift) }
        return UInt8(truncatingIfNeeded: state.toBeEmptied >> shift)
      default: return 0
      }
    }
  }

  /// Status bits are cleared by writing ones.
  package func writeByte(offset: UInt64, value: UInt8) {
    state.withLock { state in
      switch offset {
      case 0:
        state.status &= ~UInt16(value)
        update(&state)
      case 1: state.status &= ~(UInt16(value) << 8)
      case 2: setEnable((state.enable & 0xff00) | UInt16(value), &state)
      case 3: state.enable = (state.enable & 0x00ff) | (UInt16(value) << 8)
      case 12..<16:
        let slots = UInt32(value) << (8 * UInt32(offset - 12))
        state.filled &= ~slots
        state.toBeEmptied &= ~slots
      default: break
      }
    }
    guard 12..<16 ~= offset else { return }
    for bit in 0..<8 where value & 1 << UInt8(bit) != 0 { onEject(8 * Int(offset - 12) + bit) }
  }

  private func setEnable(_ enable: UInt16, _ state: inout State) {
    let isNew = enable & ~state.enable & Self.mask != 0
    state.enable = enable
    // A kernel clears events that came before its ACPI code was there: what it has not read of is
    // told anew.
    if isNew, state.filled | state.toBeEmptied != 0 { state.status |= Self.mask }
    update(&state)
  }

  private func raise(_ state: inout State) {
    state.status |= Self.mask
    update(&state)
  }

  private func update(_ state: inout State) {
    let level = state.status & state.enable & Self.mask != 0
    guard level != state.isAsserted else { return }
    state.isAsserted = level
    interrupt.setLevel(level)
  }
}
