import Testing

@testable import Chardev

/// How long a socket that connects waits before it tries again.
@Suite struct RetryDelayTests {
  private func delays(first: Int, count: Int) -> [Int] {
    var delay = RetryDelay(first: first)
    return (0..<count).map { _ in
      defer { delay.grow() }
      return delay.current
    }
  }

  @Test func doublesUpToAMinute() {
    #expect(delays(first: 10_000, count: 5) == [10_000, 20_000, 40_000, 60_000, 60_000])
    #expect(delays(first: 1, count: 20).last == 60_000)
    #expect(delays(first: 0, count: 3) == [1, 2, 4])
  }

  @Test("A first delay of more than a minute is what was asked for, and stays so")
  func keepsALongFirstDelay() {
    #expect(delays(first: 300_000, count: 3) == [300_000, 300_000, 300_000])
    #expect(delays(first: .max, count: 3) == [.max, .max, .max])
    #expect(delays(first: 60_000, count: 2) == [60_000, 60_000])
  }

  @Test func aSuccessSetsItBack() {
    var delay = RetryDelay(first: 1000)
    for _ in 0..<10 { delay.grow() }
    delay.reset()
    #expect(delay.current == 1000)
    delay.grow()
    #expect(delay.current == 2000)
  }
}
