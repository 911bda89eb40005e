import Glibc
import Host
import TestSupport
import Testing

@Suite final class EventLoopOpeningsTests {
  private let loop: EventLoop
  private let paths: [String]

  init() throws {
    loop = try EventLoop()
    paths = (0..<2).map { _ in
      var name = Array("/tmp/swiftvm-test-XXXXXX".utf8CString)
      close(mkstemp(&name))
      return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  deinit {
    for path in paths { unlink(path) }
  }

  private func settle() { loop.settle() }

  @Test func hearsOfOpeningAndClosingOfEachFileAlone() throws {
    var calls = [0, 0]
    let first = try loop.watchOpenings(of: paths[0]) { calls[0] += 1 }
    let second = try loop.watchOpenings(of: paths[1]) { calls[1] += 1 }
    settle()
    #expect(calls == [0, 0])
    let number = open(paths[0], O_RDONLY)
    settle()
    #expect(calls == [1, 0])
    close(number)
    settle()
    #expect(calls == [2, 0])
    close(open(paths[1], O_RDONLY))
    settle()
    #expect(calls[1] > 0)
    #expect(loop.sleepsThroughATurn())
    withExtendedLifetime((first, second)) {}
  }

  @Test func hearsNothingOnceTheWatchIsGone() throws {
    var calls = 0
    var watch: EventLoop.OpeningWatch? = try loop.watchOpenings(of: paths[0]) { calls += 1 }
    close(open(paths[0], O_RDONLY))
    watch = nil
    settle()
    #expect(calls == 0)
    #expect(watch == nil)
    watch = try loop.watchOpenings(of: paths[0]) { calls += 1 }
    close(open(paths[0], O_RDONLY))
    settle()
    #expect(calls > 0, "and may watch again")
  }

  @Test func refusesAFileThatIsNotThere() {
    #expect(throws: SystemError.self) { try loop.watchOpenings(of: "/nonexistent/file") {} }
  }

  @Test func runsOutUntilEverythingIsFinished() {
    var isFinished = false
    loop.drain(limitMilliseconds: 30_000)
    loop.begin()
    loop.after(milliseconds: 5) {
      isFinished = true
      self.loop.finish()
    }
    loop.drain(limitMilliseconds: 30_000)
    #expect(isFinished)
  }

  @Test func runsOutNoLongerThanItMay() {
    var isLate = false
    loop.after(milliseconds: 60_000) { isLate = true }
    loop.begin()
    let start = monotonicSeconds()
    loop.drain(limitMilliseconds: 5)
    let seconds = monotonicSeconds() - start
    #expect(seconds >= 0.005 && seconds < 30)
    #expect(!isLate)
    loop.finish()
  }
}
