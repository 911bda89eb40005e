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

  private struct State {
    var index: UInt8 = 0
    var bytes = [UInt8](repeating: 0, count: 128)
  }

  private enum Register {
    /// Divider, rate, and bit 7, "update in progress", which is never set.
    static let a: UInt8 = 0x0a
    static let b: UInt8 = 0x0b
    /// Interrupt flags, never set.
    static let c: UInt8 = 0x0c
    static let d: UInt8 = 0x0d
    static let century: UInt8 = 0x32
    static let readOnly: Set<UInt8> = [0, 2, 4, 6, 7, 8, 9, c, d, century]
  }

  /// Bits of register B.
  private enum Format {
    static let hours24: UInt8 = 1 << 1
    static let binary: UInt8 = 1 << 2
  }

  private let state: Mutex<State>
  private let now: @Sendable () -> Int64

  /// - Parameter now: the time, in seconds since 1970 in UTC.
  package init(now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }) {
    self.now = now
    var state = State()
    state.bytes[Int(Register.a)] = 0x26  // 32 kHz crystal, 1024 Hz rate: a PC's values
    state.bytes[Int(Register.b)] = Format.hours24
    self.state = Mutex(state)
    // The C library's first conversion reads a file: not on a vCPU's thread.
    _ = timeRegister(0, format: 0)
  }

  /// The index port cannot be read.
  package func readByte(offset: UInt64) -> UInt8 {
    guard offset == 1 else { return 0xff }
    return state.withLock { state in
      switch state.index {
      case Register.c: 0
      case Register.d: 0x80  // battery and time are good
      case let index:
        timeRegister(index, format: state.bytes[Int(Register.b)]) ?? state.bytes[Int(index)]
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

  private func timeRegister(_ index: UInt8, format: UInt8) -> UInt8? {
    // The C library knows only years of 32 bits.
    var seconds = time_t(min(max(now(), -1 << 55), 1 << 55))
    var date = tm()
    gmtime_r(&seconds, &date)
    let year = Int(date.tm_year) + 1900
    // Years before 0 count on from the end of the century before.
    let yearOfCentury = (year % 100 + 100) % 100
    let is24Hours = format & Format.hours24 != 0
    let number: Int
    switch index {
    case 0: number = Int(date.tm_sec)
    case 2: number = Int(date.tm_min)
    case 4: number = Int(is24Hours ? date.tm_hour : (date.tm_hour + 11) % 12 + 1)
    case 6: number = Int(date.tm_wday) + 1
    case 7: number = Int(date.tm_mday)
    case 8: number = Int(date.tm_mon) + 1
    case 9: number = yearOfCentury
    case Register.century: number = ((year - yearOfCentury) / 100 % 100 + 100) % 100
    default: return nil
    }
    let afternoon: UInt8 = index == 4 && !is24Hours && date.tm_hour >= 12 ? 0x80 : 0
    let isBinary = format & Format.binary != 0
    return UInt8(truncatingIfNeeded: isBinary ? number : number / 10 * 16 + number % 10) | afternoon
  }
}
