import Glibc
import Synchronization

/// The MC146818 clock and its non-volatile bytes, at ports 0x70 (index) and 0x71 (data).
///
/// The time is the host's, in UTC, in the format register B asks for (BCD or binary, 12 or 24 hours).
/// Writes to a time register are dropped. There are no alarms and no interrupts. The other bytes keep
/// what is written until the machine ends.
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
  // Years before 0 count on from the end of the century before.
  case 9: number = (date.year % 100 + 100) % 100
  case RealTimeClock.centuryRegister:
    let century = (date.year - (date.year % 100 + 100) % 100) / 100
    number = (century % 100 + 100) % 100
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

/// A date and time of day of the proleptic Gregorian calendar, in UTC.
private struct UTCDate {
  let year: Int
  /// 1–12.
  let month: Int
  /// 1–31.
  let day: Int
  /// 1 is Sunday, 7 Saturday.
  let weekday: Int
  let hour: Int
  let minute: Int
  let second: Int

  /// Any instant, also before 1970.
  init(secondsSince1970 seconds: Int64) {
    let (days, secondOfDay) = seconds.flooredDivision(by: 86_400)
    hour = Int(secondOfDay / 3600)
    minute = Int(secondOfDay / 60 % 60)
    second = Int(secondOfDay % 60)
    weekday = Int((days + 4).flooredDivision(by: 7).remainder) + 1

    // Years are counted from 1 March 0000, so that a leap day is the last day of its year.
    let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5) + 1
    month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
    year = Int(era * 400 + yearOfEra) + (month <= 2 ? 1 : 0)
  }
}

extension Int64 {
  fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
