import Synchronization

/// The ACPI fixed hardware: PM1a event block (4 bytes: status, enable) and control block (2 bytes),
/// in one range of six ports (ACPI 6.5, 4.8.3).
///
/// SCI_EN always reads 1, as there is no other mode. Sleeping with type 5 powers off; other types
/// are dropped. The SCI is level-triggered and asserted while an enabled event's status is set.
package final class PowerManagement: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 6
  /// SLP_TYP of the S5 state.
  package static let softOffType: UInt8 = 5

  private struct State {
    var status: UInt16 = 0
    var enable: UInt16 = 0
    /// SLP_TYP as last written, at its place in the control register's high byte.
    var sleepType: UInt8 = 0
    var isAsserted = false
  }

  private let state = Mutex(State())
  private let interrupt: any InterruptLine
  private let onPowerOff: @Sendable () -> Void

  /// - Parameters:
  ///   - interrupt: the SCI; driven with the device's lock held.
  ///   - onPowerOff: called on the vCPU thread for each power-off the guest asks for.
  package init(interrupt: any InterruptLine, onPowerOff: @escaping @Sendable () -> Void) {
    self.interrupt = interrupt
    self.onPowerOff = onPowerOff
  }

  /// Presses the fixed-feature power button. The guest hears of it at once if it has enabled the
  /// event, else when it does. Callable on any thread.
  package func pressPowerButton() {
    state.withLock { state in
      state.status |= Event.powerButton
      update(&state)
    }
  }

  /// A register byte.
  package func readByte(offset: UInt64) -> UInt8 {
    state.withLock { state in
      switch offset {
      case 0: UInt8(truncatingIfNeeded: state.status)
      case 1: UInt8(truncatingIfNeeded: state.status >> 8)
      case 2: UInt8(truncatingIfNeeded: state.enable)
      case 3: UInt8(truncatingIfNeeded: state.enable >> 8)
      case 4: Control.sciEnable
      case 5: state.sleepType
      default: 0xff
      }
    }
  }

  /// Status bits are cleared by writing ones.
  package func writeByte(offset: UInt64, value: UInt8) {
    state.withLock { state in
      switch offset {
      case 0: state.status &= ~UInt16(value)
      case 1: state.status &= ~(UInt16(value) << 8)
      case 2: state.enable = (state.enable & 0xff00) | (UInt16(value) & Event.all)
      case 3: state.enable = (state.enable & 0x00ff) | (UInt16(value) << 8 & Event.all)
      case 5: state.sleepType = value & Control.sleepType
      default: break
      }
      update(&state)
    }
    let softOff = Self.softOffType << 2
    guard offset == 5, value & Control.sleepEnable != 0 else { return }
    if value & Control.sleepType == softOff { onPowerOff() }
  }

  private func update(_ state: inout State) {
    let level = state.status & state.enable != 0
    guard level != state.isAsserted else { return }
    state.isAsserted = level
    interrupt.setLevel(level)
  }
}

/// Bits of the PM1 status and enable registers.
private enum Event {
  static let powerButton: UInt16 = 1 << 8
  /// Timer, global lock, power button, sleep button, real-time clock: what can be enabled.
  static let all: UInt16 = 1 << 0 | 1 << 5 | powerButton | 1 << 9 | 1 << 10
}

/// Bits of the PM1 control register: of its low byte the first, of its high byte the others.
private enum Control {
  static let sciEnable: UInt8 = 1 << 0
  static let sleepType: UInt8 = 7 << 2
  static let sleepEnable: UInt8 = 1 << 5
}
