import Glibc
import Host
import Testing

@Suite struct TextPagesTests {
  @Test("The program runs on without it in memory")
  func isReleased() throws {
    try TextPages.release()
    try TextPages.release()
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
