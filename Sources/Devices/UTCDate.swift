/// A date and time of day of the proleptic Gregorian calendar, in UTC.
struct UTCDate: Equatable {
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
