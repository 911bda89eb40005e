import Glibc
import Synchronization

/// The MC146818 clock and its non-volatile bytes, at ports 0x70 (index) and 0x71 (data).
///
/// The time is the host's, in UTC: what the guest writes to a time register is dropped. It is told
/// in the format register B asks for (BCD or binary, 12 or 24 hours). There are no alarms and no
/// interrupts; the other bytes keep what is written until the machine ends.
package final class RealTimeClock: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 2
  /// The register that holds the century.
  package static let centuryRegister: UInt8 = 0x32

  private struct State {
    var index: UInt8 = 0
    var bytes = [UInt8](repeating: 0, count: 128)
  }

  private let state: Mutex<State>
  private let now: @Sendable () -> Int64

  /// - Parameter now: the time, in seconds since 1970 in UTC.
  package init(now: @escaping @Sendable () -> Int64 = hostTime) {
    self.now = now
    var state = State()
    state.bytes[Int(Register.a)] = 0x26  // 32 kHz crystal, 1024 Hz rate: a PC's values
    state.bytes[Int(Register.b)] = Format.hours24
    self.state = Mutex(state)
  }

  /// The index port cannot be read.
  package func readByte(offset: UInt64) -> UInt8 {
    guard offset == 1 else { return 0xff }
    return state.withLock { state in
      let date = UTCDate(secondsSince1970: now())
      let stored = state.bytes[Int(state.index)]
      let format = state.bytes[Int(Register.b)]
      return switch state.index {
      case Register.c: 0
      case Register.d: Register.valid
      case let index: timeRegister(index, date, format) ?? stored
      }
    }
  }

  /// Bit 7 of the index port masks NMIs on a PC, and is ignored here.
  package func writeByte(offset: UInt64, value: UInt8) {
    state.withLock { state in
      if offset == 0 {
        state.index = value & 0x7f
      } else if offset == 1, !Register.readOnly.contains(state.index) {
        let isUpdating: UInt8 = state.index == Register.a ? 0x80 : 0
        state.bytes[Int(state.index)] = value & ~isUpdating
      }
    }
  }

  /// The host's clock.
  package static func hostTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec)
  }
}

private func timeRegister(_ index: UInt8, _ date: UTCDate, _ format: UInt8) -> UInt8? {
  let number: Int
  var afternoon: UInt8 = 0
  switch index {
  case 0: number = date.second
  case 2: number = date.minute
  case 4 where format & Format.hours24 != 0: number = date.hour
  case 4:
    number = (date.hour + 11) % 12 + 1
    afternoon = date.hour >= 12 ? 0x80 : 0
  case 6: number = date.weekday
  case 7: number = date.day
  case 8: number = date.month
  case 9: number = date.year % 100
  case RealTimeClock.centuryRegister: number = date.year / 100 % 100
  default: return nil
  }
  let isBinary = format & Format.binary != 0
  return UInt8(truncatingIfNeeded: isBinary ? number : number / 10 * 16 + number % 10) | afternoon
}

private enum Register {
  /// Divider, rate, and bit 7, "update in progress", which is never set.
  static let a: UInt8 = 0x0a
  static let b: UInt8 = 0x0b
  /// Interrupt flags, never set.
  static let c: UInt8 = 0x0c
  static let d: UInt8 = 0x0d
  /// Of register D: battery and time are good.
  static let valid: UInt8 = 0x80
  static let readOnly: Set<UInt8> = [
    0, 2, 4, 6, 7, 8, 9, c, d, RealTimeClock.centuryRegister,
  ]
}

/// Bits of register B.
private enum Format {
  static let hours24: UInt8 = 1 << 1
  static let binary: UInt8 = 1 << 2
}
