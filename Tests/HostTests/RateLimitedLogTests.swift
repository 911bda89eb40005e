import Host
import Synchronization
import Testing

@Suite struct RateLimitedLogTests {
  private final class World: Sendable {
    let time = Atomic<Int64>(0)
    let lines = Mutex<[String]>([])

    func log(_ linesPerSecond: Int) -> RateLimitedLog {
      RateLimitedLog(
        linesPerSecond: linesPerSecond,
        now: { self.time.load(ordering: .relaxed) },
        print: { line in self.lines.withLock { $0.append(line) } })
    }

    var printed: [String] { lines.withLock { $0 } }
  }

  @Test func printsSoManyLinesASecondAndCountsTheRest() {
    let world = World()
    let log = world.log(2)
    for number in 1...5 { log.warning("line \(number)") }
    #expect(world.printed == ["line 1", "line 2"])
    #expect(log.suppressed == 3)
    world.time.store(999_999_999, ordering: .relaxed)
    log.warning("still too early")
    #expect(world.printed.count == 2)
    world.time.store(1_000_000_000, ordering: .relaxed)
    log.warning("line 6")
    log.warning("line 7")
    #expect(
      world.printed.suffix(2) == ["line 6 (4 more of this kind were not printed)", "line 7"])
    #expect(log.suppressed == 4)
  }

  @Test func doesNotBuildAMessageThatIsNotPrinted() {
    let log = World().log(1)
    var built = 0
    func message() -> String {
      built += 1
      return "message"
    }
    for _ in 0..<10 { log.warning(message()) }
    #expect(built == 1)
  }
}
