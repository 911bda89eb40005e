import Glibc
import Host
import TestSupport
import Testing

@Suite struct TextPagesTests {
  /// How much of the program's code is in memory, in KiB.
  private static func residentCode() throws -> Int {
    let bundle = try #require(realpath("/proc/self/exe", nil))
    defer { free(bundle) }
    let path = String(cString: bundle)
    var isCode = false
    var sum = 0
    for line in File.text("/proc/self/smaps").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count >= 6 { isCode = words[1] == "r-xp" && words[5] == path }
      if words.count == 3, isCode, words[0] == "Rss:" { sum += Int(words[1]) ?? 0 }
    }
    return sum
  }

  @Test("The program's code leaves memory, and runs on; again and again")
  func isReleased() async {
    // In a process of its own: other tests' code comes back at any time.
    await #expect(processExitsWith: .success) {
      for _ in 1...3 {
        let before = try Self.residentCode()
        try TextPages.release()
        let after = try Self.residentCode()
        #expect(before > 0 && after > 0, "looking takes some of it")
        #expect(after <= before)
      }
    }
  }
}

@Suite struct StandardStreamsTests {
  @Test("The next file opened becomes no standard stream", arguments: [[0], [1, 2], [0, 1, 2]])
  func fillsGaps(closed: [Int32]) async {
    await #expect(processExitsWith: .exitCode(7)) { [closed] in
      for stream in closed { close(stream) }
      StandardStreams.fillGaps()
      for stream in closed where !isOpen(stream) { exit(1) }
      exit(open("/dev/zero", O_RDONLY) > STDERR_FILENO ? 7 : 2)
    }
  }
}
