import Host
import Testing

@Suite struct ProgramCodeTests {
  @Test("The program runs on without it in memory")
  func isReleased() throws {
    try ProgramCode.release()
    try ProgramCode.release()
  }
}
