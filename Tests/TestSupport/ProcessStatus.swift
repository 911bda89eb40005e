import Glibc

/// What /proc tells of a process.
package struct ProcessStatus {
  private let pid: pid_t

  package init(of pid: pid_t) { self.pid = pid }

  /// Resident memory in bytes.
  package var residentBytes: Int { number("VmRSS", in: "/proc/\(pid)/status") << 10 }

  /// Resident memory in KiB without mappings of 64 MiB and more, which are a guest's memory.
  package var residentKibibytesBesideGuest: Int { sum("Rss") }

  /// What it has allocated of that: without the program's pages, which are the page cache's and
  /// come and go.
  package var allocatedKibibytesBesideGuest: Int { sum("Anonymous") }

  /// Open descriptors.
  package var descriptorCount: Int { entries("/proc/\(pid)/fd").count }

  /// Voluntary context switches of the main thread so far: how often it went to sleep.
  package var mainThreadSleeps: Int {
    number("voluntary_ctxt_switches", in: "/proc/\(pid)/task/\(pid)/status")
  }

  /// The same of all threads.
  package var sleeps: Int {
    entries("/proc/\(pid)/task").reduce(0) {
      $0 + number("voluntary_ctxt_switches", in: "/proc/\(pid)/task/\($1)/status")
    }
  }

  /// The scheduler's letter for the main thread: S while it sleeps.
  package var mainThreadState: String {
    let line = File.text("/proc/\(pid)/task/\(pid)/status").split(separator: "\n")
      .first { $0.hasPrefix("State:") }
    return line?.split(whereSeparator: { $0 == "\t" || $0 == " " }).dropFirst().first
      .map(String.init) ?? ""
  }

  /// The sum of a line of all mappings that are smaller than a guest's memory.
  private func sum(_ name: String) -> Int {
    var (sum, size) = (0, 0)
    for line in File.text("/proc/\(pid)/smaps").split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 3, let value = Int(words[1]) else { continue }
      if words[0] == "Size:" { size = value }
      if words[0] == name + ":", size < 64 << 10 { sum += value }
    }
    return sum
  }

  private func number(_ name: String, in path: String) -> Int {
    for line in File.text(path).split(separator: "\n") where line.hasPrefix(name + ":") {
      return Int(line.split(whereSeparator: { $0 == "\t" || $0 == " " })[1]) ?? -1
    }
    return -1
  }

  private func entries(_ path: String) -> [Int32] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var numbers: [Int32] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if let number = Int32(name) { numbers.append(number) }
    }
    return numbers
  }
}
