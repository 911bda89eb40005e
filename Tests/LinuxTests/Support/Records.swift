/// Numbered lines of sixteen bytes: whatever is lost, torn, doubled or out of order shows.
enum Records {
  static let size = 16
  private static let digits = 7

  /// The lines of these numbers: the number twice, so that no two pieces make another line.
  static func bytes(_ numbers: Range<Int>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(numbers.count * size)
    for number in numbers {
      append(number, to: &bytes)
      bytes.append(UInt8(ascii: " "))
      append(number, to: &bytes)
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }

  private static func append(_ number: Int, to bytes: inout [UInt8]) {
    var place = 1_000_000
    while place > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(number / place % 10))
      place /= 10
    }
  }

  /// What has been made of a stream of such lines.
  struct Tally {
    /// The last whole line's number; -1 before the first.
    private(set) var last = -1
    /// Whole lines.
    private(set) var count = 0
    /// Places where numbers are missing.
    private(set) var gaps = 0
    /// Lines that are not whole.
    private(set) var torn = 0
    /// Whole lines that come after one with the same number or a higher one.
    private(set) var misplaced = 0
    private var rest: [UInt8] = []

    /// Numbers up to the last that have not come.
    var lost: Int { last + 1 - count }

    mutating func take(_ bytes: [UInt8]) {
      let all = rest + bytes
      var start = 0
      while let end = all[start...].firstIndex(of: UInt8(ascii: "\n")) {
        takeLine(all[start..<end])
        start = end + 1
      }
      rest = Array(all[start...])
    }

    private mutating func takeLine(_ line: ArraySlice<UInt8>) {
      guard line.count == Records.size - 1,
        let number = Int(String(decoding: line.prefix(Records.digits), as: UTF8.self)),
        line.prefix(Records.digits) == line.suffix(Records.digits)
      else {
        torn += 1
        return
      }
      guard number > last else {
        misplaced += 1
        return
      }
      if number != last + 1 { gaps += 1 }
      last = number
      count += 1
    }
  }
}
