import Devices
import Synchronization
import Testing

@Suite struct RealTimeClockTests {
  struct Instant: Sendable {
    let seconds: Int64
    /// Century, year, month, day, hour, minute, second, weekday.
    let reading: [UInt64]
  }

  static let instants: [Instant] = [
    Instant(seconds: 0, reading: [19, 70, 1, 1, 0, 0, 0, 5]),
    Instant(seconds: -1, reading: [19, 69, 12, 31, 23, 59, 59, 4]),
    Instant(seconds: 951_782_399, reading: [20, 0, 2, 28, 23, 59, 59, 2]),
    Instant(seconds: 951_782_400, reading: [20, 0, 2, 29, 0, 0, 0, 3]),
    Instant(seconds: 951_868_800, reading: [20, 0, 3, 1, 0, 0, 0, 4]),
    Instant(seconds: 1_234_567_890, reading: [20, 9, 2, 13, 23, 31, 30, 6]),
    Instant(seconds: 1_709_210_096, reading: [20, 24, 2, 29, 12, 34, 56, 5]),
    Instant(seconds: 1_735_689_599, reading: [20, 24, 12, 31, 23, 59, 59, 3]),
    Instant(seconds: 1_735_689_600, reading: [20, 25, 1, 1, 0, 0, 0, 4]),
    Instant(seconds: 1_740_787_200, reading: [20, 25, 3, 1, 0, 0, 0, 7]),
    Instant(seconds: 2_147_483_648, reading: [20, 38, 1, 19, 3, 14, 8, 3]),
    Instant(seconds: 4_107_542_400, reading: [21, 0, 3, 1, 0, 0, 0, 2]),
    Instant(seconds: -2_208_988_800, reading: [19, 0, 1, 1, 0, 0, 0, 2]),
  ]

  @Test(arguments: instants)
  func datesAreRight(instant: Instant) {
    let clock = Clock(instant.seconds)
    clock.write(0x0b, 0x06)
    let reading = [0x32, 9, 8, 7, 4, 2, 0, 6].map { clock.read($0) }
    #expect(reading == instant.reading)
  }

  /// Every day from 1970 to 2170 against a calendar counted day by day.
  @Test func everyDayOfTwoCenturies() {
    let clock = Clock(0)
    clock.write(0x0b, 0x06)
    var day = Int64(0)
    for year in UInt64(1970)...2170 {
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      for (month, length) in [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        .enumerated()
      {
        for dayOfMonth in 1...UInt64(length) {
          clock.time = day * 86_400
          let reading = [0x32, 9, 8, 7, 6].map { clock.read($0) }
          let weekday = UInt64((day + 4) % 7) + 1
          let wanted = [year / 100, year % 100, UInt64(month) + 1, dayOfMonth, weekday]
          guard reading == wanted else {
            Issue.record("\(wanted) is told as \(reading)")
            return
          }
          day += 1
        }
      }
    }
  }

  @Test func startsAsBCDIn24Hours() {
    let clock = Clock(1_709_210_096 + 10 * 3600)
    #expect(clock.read(0x0b) == 0x02)
    #expect(
      [0x32, 9, 8, 7, 4, 2, 0].map { clock.read($0) } == [0x20, 0x24, 2, 0x29, 0x22, 0x34, 0x56])
  }

  @Test func twelveHoursInBothFormats() {
    let clock = Clock(0)
    let cases: [(hour: Int64, binary: UInt64, bcd: UInt64)] = [
      (0, 12, 0x12), (1, 1, 0x01), (11, 11, 0x11), (12, 0x8c, 0x92), (13, 0x81, 0x81),
      (22, 0x8a, 0x90), (23, 0x8b, 0x91),
    ]
    for (hour, binary, bcd) in cases {
      clock.time = hour * 3600
      clock.write(0x0b, 0x04)
      #expect(clock.read(4) == binary)
      clock.write(0x0b, 0x00)
      #expect(clock.read(4) == bcd)
    }
  }

  @Test func statusRegistersSayValidAndNeverUpdating() {
    let clock = Clock(0)
    clock.write(0x0a, 0xff)
    #expect(clock.read(0x0a) == 0x7f)
    for register in [0x0c, 0x0d] as [UInt64] { clock.write(register, 0x55) }
    #expect(clock.read(0x0c) == 0)
    #expect(clock.read(0x0d) == 0x80)
  }

  @Test func timeCannotBeSetButOtherBytesAreKept() {
    let clock = Clock(1_709_210_096)
    clock.write(0x0b, 0x86)
    for register in [0, 2, 4, 6, 7, 8, 9, 0x32] as [UInt64] { clock.write(register, 1) }
    clock.write(0x0b, 0x06)
    #expect([0x32, 9, 8, 7, 4, 2, 0].map { clock.read($0) } == [20, 24, 2, 29, 12, 34, 56])
    let kept = ([1, 3, 5] + (0x0e...0x31) + (0x33...0x7f)) as [UInt64]
    for register in kept { clock.write(register, register ^ 0xa5) }
    for register in kept { #expect(clock.read(register) == register ^ 0xa5) }
  }

  @Test func indexIsWriteOnlyAndSevenBits() {
    let clock = Clock(0)
    clock.device.write(offset: 0, width: 1, value: 0x8d)
    #expect(clock.device.read(offset: 1, width: 1) == 0x80)
    #expect(clock.device.read(offset: 0, width: 1) == 0xff)
    // A 16-bit write is index and data in one.
    clock.device.write(offset: 0, width: 2, value: 0x5a40)
    #expect(clock.read(0x40) == 0x5a)
  }

  @Test(arguments: [Int64.min, .min + 1, .max, .max - 1])
  func wildInstantsAreDatesAllTheSame(seconds: Int64) {
    let clock = Clock(seconds)
    clock.write(0x0b, 0x06)
    let ranges: [UInt64: ClosedRange<UInt64>] = [
      0: 0...59, 2: 0...59, 4: 0...23, 6: 1...7, 7: 1...31, 8: 1...12, 9: 0...99, 0x32: 0...99,
    ]
    for (register, range) in ranges { #expect(range.contains(clock.read(register))) }
    clock.write(0x0b, 0)
    for register in ranges.keys {
      let value = clock.read(register)
      let digits = register == 4 ? value & 0x7f : value
      #expect(digits & 0xf <= 9 && digits >> 4 <= 9, "two decimal digits")
    }
    for register in 0...0x7f as ClosedRange<UInt64> { #expect(clock.read(register) <= 0xff) }
  }

  @Test func hostTimeIsTheDefault() {
    let device = RealTimeClock()
    device.write(offset: 0, width: 1, value: 0x32)
    #expect(device.read(offset: 1, width: 1) == 0x20)
  }
}

/// A clock whose time stands still until it is set.
private final class Clock: Sendable {
  private let now: Recorder<Int64>
  let device: RealTimeClock

  init(_ seconds: Int64) {
    let now = Recorder<Int64>()
    now.record(seconds)
    self.now = now
    device = RealTimeClock { now.events.last ?? 0 }
  }

  var time: Int64 {
    get { now.events.last ?? 0 }
    set {
      _ = now.take()
      now.record(newValue)
    }
  }

  func read(_ register: UInt64) -> UInt64 {
    device.write(offset: 0, width: 1, value: register)
    return device.read(offset: 1, width: 1)
  }

  func write(_ register: UInt64, _ value: UInt64) {
    device.write(offset: 0, width: 1, value: register)
    device.write(offset: 1, width: 1, value: value)
  }
}
