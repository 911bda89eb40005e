/// What a VMM has in memory beside its guest's.
enum ResidentMemory {
  /// Mappings at least this large are the guest's memory.
  private static let guestMapping = 64 << 10

  /// In KiB, from /proc/PID/smaps.
  static func ofHost(_ process: ChildProcess) throws -> Int { try sum("Rss:", of: process) }

  /// What it has allocated of that, in KiB: without the pages of the program, which are the page
  /// cache's and come and go.
  static func allocated(by process: ChildProcess) throws -> Int {
    try sum("Anonymous:", of: process)
  }

  private static func sum(_ key: String, of process: ChildProcess) throws -> Int {
    let smaps = try File.contents("/proc/\(process.pid)/smaps")
    var sum = 0
    var size = 0
    for line in smaps.split(separator: UInt8(ascii: "\n")) {
      if let value = kibibytes("Size:", line) { size = value }
      if let value = kibibytes(key, line), size < guestMapping { sum += value }
    }
    guard sum > 0 else { throw Failure("no memory in /proc/\(process.pid)/smaps") }
    return sum
  }

  private static func kibibytes(_ key: String, _ line: ArraySlice<UInt8>) -> Int? {
    guard line.starts(with: key.utf8) else { return nil }
    return String(decoding: line, as: UTF8.self).split(separator: " ").dropFirst().first
      .flatMap { Int($0) }
  }
}
