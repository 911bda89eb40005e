import Glibc
import TestSupport
import Testing

/// What the kernel has been told of guest memory.
@Suite(MicroVM.requirement)
struct HugePageTests {
  /// The flags of a guest's memory, as proc(5) names them in smaps.
  private func flags(of machine: MicroVM, mebibytes: Int) throws -> [String] {
    let maps = try #require(fopen("/proc/\(machine.process.pid)/smaps", "re"))
    defer { fclose(maps) }
    var line = [CChar](repeating: 0, count: 4096)
    var isGuests = false
    while fgets(&line, Int32(line.count), maps) != nil {
      let words = String(
        decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self
      )
      .split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)
      if words.first == "Size:" { isGuests = words.dropFirst().first == "\(mebibytes << 10)" }
      if isGuests, words.first == "VmFlags:" { return Array(words.dropFirst()) }
    }
    Issue.record("no memory of \(mebibytes) MiB")
    return []
  }

  @Test(arguments: [([], "hg"), (["--huge-pages", "on"], "hg"), (["--huge-pages", "off"], "nh")])
  func areAskedForUnlessOff(options: [String], flag: String) throws {
    // No other mapping is of this size.
    let machine = try MicroVM("run=hello end=halt", options: options, memory: "90M")
    #expect(machine.says("done"))
    let flags = try flags(of: machine, mebibytes: 90)
    // A kernel without transparent huge pages knows neither.
    if access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0 { #expect(flags.contains(flag)) }
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test func refusesOtherWords() throws {
    let machine = try MicroVM("run=hello", options: ["--huge-pages", "always"])
    #expect(machine.status() == 2)
    #expect(machine.process.errorOutput.contains("give --huge-pages on or --huge-pages off"))
  }
}
