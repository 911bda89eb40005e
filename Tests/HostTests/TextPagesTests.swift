import Host
import Testing

@Suite struct TextPagesTests {
  @Test("The program runs on without it in memory")
  func isReleased() throws {
    try TextPages.release()
    try TextPages.release()
  }
}
