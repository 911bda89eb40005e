import Glibc

/// What /proc tells of a process.
package struct ProcessStatus {
  private let pid: pid_t

  package init(of pid: pid_t) { self.pid = pid }

  /// Resident memory in bytes.
  package var residentBytes: Int { number("VmRSS", in: "/proc/\(pid)/status") << 10 }

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
    let line = read("/proc/\(pid)/task/\(pid)/status").split(separator: "\n")
      .first { $0.hasPrefix("State:") }
    return line?.split(whereSeparator: { $0 == "\t" || $0 == " " }).dropFirst().first
      .map(String.init) ?? ""
  }

  private func number(_ name: String, in path: String) -> Int {
    for line in read(path).split(separator: "\n") where line.hasPrefix(name + ":") {
      return Int(line.split(whereSeparator: { $0 == "\t" || $0 == " " })[1]) ?? -1
    }
    return -1
  }

  private func read(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = Glibc.read(descriptor, &buffer, buffer.count), count > 0 {
      bytes += buffer.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
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
