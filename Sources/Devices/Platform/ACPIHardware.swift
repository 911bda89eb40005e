import Synchronization

/// The status and enable registers of ACPI events, two bytes each, and the interrupt they drive: the
/// SCI, level-triggered, asserted while the status of an enabled event is set (ACPI 6.5, 4.8.4).
///
/// A value without a lock: its device's lock guards it and is held while the line is driven.
private struct EventBlock {
  private(set) var status: UInt16 = 0
  private(set) var enable: UInt16 = 0
  private var isAsserted = false
  private let line: any InterruptLine

  init(line: any InterruptLine) {
    self.line = line
  }

  mutating func raise(_ event: UInt16) {
    status |= event
    update()
  }

  /// The register byte at offset 0 to 3.
  func readByte(_ offset: UInt64) -> UInt8 {
    UInt8(truncatingIfNeeded: (offset < 2 ? status : enable) >> (8 * UInt16(offset & 1)))
  }

  /// Writes the register byte at offset 0 to 3; status bits are cleared by writing ones, and of the
  /// enable bits `enableable` change.
  mutating func writeByte(_ offset: UInt64, _ value: UInt8, enableable: UInt16) {
    let shift = 8 * UInt16(offset & 1)
    let bits = UInt16(value) << shift
    if offset < 2 {
      status &= ~bits
    } else {
      enable = (enable & ~(0xff << shift)) | (bits & enableable)
    }
    update()
  }

  private mutating func update() {
    let level = status & enable != 0
    guard level != isAsserted else { return }
    isAsserted = level
    line.setLevel(level)
  }
}

/// The ACPI fixed hardware: PM1a event block (4 bytes: status, enable) and control block (2 bytes),
/// in one range of six ports (ACPI 6.5, 4.8.3).
///
/// SCI_EN always reads 1, as there is no other mode. Sleeping with type 5 powers off; other types
/// are dropped.
package final class PowerManagement: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 6
  /// SLP_TYP of the S5 state.
  package static let softOffType: UInt8 = 5

  private struct State {
    var events: EventBlock
    /// SLP_TYP as last written, at its place in the control register's high byte.
    var sleepType: UInt8 = 0
  }

  private static let powerButton: UInt16 = 1 << 8
  /// Timer, global lock, power button, sleep button, real-time clock: what can be enabled.
  private static let enableable: UInt16 = 1 << 0 | 1 << 5 | powerButton | 1 << 9 | 1 << 10

  /// Bits of the control register: of its low byte the first, of its high byte the others.
  private enum Control {
    static let sciEnable: UInt8 = 1 << 0
    static let sleepType: UInt8 = 7 << 2
    static let sleepEnable: UInt8 = 1 << 5
  }

  private let state: Mutex<State>
  private let onPowerOff: @Sendable () -> Void

  /// - Parameters:
  ///   - interrupt: the SCI; driven with the device's lock held.
  ///   - onPowerOff: called on the vCPU thread for each power-off the guest asks for.
  package init(interrupt: any InterruptLine, onPowerOff: @escaping @Sendable () -> Void) {
    state = Mutex(State(events: EventBlock(line: interrupt)))
    self.onPowerOff = onPowerOff
  }

  /// Presses the fixed-feature power button. The guest is interrupted now if it has enabled the
  /// event, else once it does. Callable on any thread.
  package func pressPowerButton() {
    state.withLock { $0.events.raise(Self.powerButton) }
  }

  /// A register byte.
  package func readByte(offset: UInt64) -> UInt8 {
    state.withLock { state in
      switch offset {
      case 0..<4: state.events.readByte(offset)
      case 4: Control.sciEnable
      case 5: state.sleepType
      default: 0xff
      }
    }
  }

  /// A register byte; its high control byte powers off.
  package func writeByte(offset: UInt64, value: UInt8) {
    state.withLock { state in
      switch offset {
      case 0..<4: state.events.writeByte(offset, value, enableable: Self.enableable)
      case 5: state.sleepType = value & Control.sleepType
      default: break
      }
    }
    guard offset == 5, value & Control.sleepEnable != 0 else { return }
    if value & Control.sleepType == Self.softOffType << 2 { onPowerOff() }
  }
}

/// Reports devices that are plugged into the PCI bus or are to leave it, by a general-purpose event of
/// ACPI (ACPI 6.5, 4.8.4.1) and three registers that the code in the ACPI tables reads.
///
/// One range of 16 ports: the event block; then four bytes each, one bit for each slot, the slots that
/// have been filled, those that are to be emptied, and a register whose bits empty slots. Reading the
/// first two clears them: a guest that sees a slot twice would eject the next device in it.
package final class ACPIPCIHotplug: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 16
  /// The number of the event in the event block.
  package static let event = 1

  private struct State {
    var events: EventBlock
    var filled: UInt32 = 0
    var toBeEmptied: UInt32 = 0
  }

  private static let mask: UInt16 = 1 << event

  private let state: Mutex<State>
  private let onEject: @Sendable (Int) -> Void

  /// - Parameters:
  ///   - interrupt: the SCI; driven with the device's lock held.
  ///   - onEject: called on the vCPU thread for each slot that the guest empties, whether or not
  ///     anything is in it.
  package init(interrupt: any InterruptLine, onEject: @escaping @Sendable (Int) -> Void) {
    state = Mutex(State(events: EventBlock(line: interrupt)))
    self.onEject = onEject
  }

  /// Reports a device that was plugged into slot 0 to 31. Callable on any thread.
  package func slotFilled(_ slot: Int) {
    state.withLock { state in
      state.filled |= 1 << UInt32(slot & 31)
      state.events.raise(Self.mask)
    }
  }

  /// Asks the guest to release the device in slot 0 to 31, and to eject it. Callable on any thread.
  package func requestRemoval(ofSlot slot: Int) {
    state.withLock { state in
      state.toBeEmptied |= 1 << UInt32(slot & 31)
      state.events.raise(Self.mask)
    }
  }

  /// A register byte.
  package func readByte(offset: UInt64) -> UInt8 {
    state.withLock { state in
      switch offset {
      case 0..<4: state.events.readByte(offset)
      case 4..<8: Self.take(byte: offset - 4, of: &state.filled)
      case 8..<12: Self.take(byte: offset - 8, of: &state.toBeEmptied)
      default: 0
      }
    }
  }

  private static func take(byte: UInt64, of slots: inout UInt32) -> UInt8 {
    let shift = 8 * UInt32(byte)
    defer { slots &= ~(0xff << shift) }
    return UInt8(truncatingIfNeeded: slots >> shift)
  }

  /// A register byte.
  package func writeByte(offset: UInt64, value: UInt8) {
    state.withLock { state in
      switch offset {
      case 0..<4:
        let former = state.events.enable
        state.events.writeByte(offset, value, enableable: .max)
        // A kernel clears events that were raised before its ACPI code ran: what it has not read is
        // reported again.
        let isNew = state.events.enable & ~former & Self.mask != 0
        if isNew, state.filled | state.toBeEmptied != 0 { state.events.raise(Self.mask) }
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
}
