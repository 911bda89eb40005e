import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct ProgramChardevTests {
  private let loop: EventLoop

  init() throws { loop = try EventLoop() }

  /// A program with its front end, which reads all it says.
  private final class Served {
    let source: ProgramSource
    let frontEnd: RecordingFrontEnd
    private let loop: EventLoop

    init(_ command: String, rest: Int = 0, grace: Int = 20_000, on loop: EventLoop) throws {
      self.loop = loop
      source = try ProgramSource(
        command: command, restMilliseconds: rest, graceMilliseconds: grace)
      frontEnd = RecordingFrontEnd(SocketChardev(source))
      try frontEnd.chardev.start(on: loop)
      frontEnd.setWantsReadable(true)
    }

    func stop() {
      frontEnd.chardev.stop()
      loop.drain(limitMilliseconds: 30_000)
    }

    /// What the program prints first, as a number of a process.
    func readNumber() -> pid_t? {
      guard loop.turn(until: { frontEnd.text.contains("\n") }) else { return nil }
      return frontEnd.text.split(separator: "\n").first.flatMap { pid_t($0) }
    }
  }

  @Test func carriesBothDirections() throws {
    let served = try Served("exec cat", on: loop)
    #expect(loop.turn { served.frontEnd.events == [.connected] })
    #expect(served.frontEnd.chardev.filename == "exec:exec cat")
    #expect(served.frontEnd.write("to and fro") == .transferred(10))
    #expect(loop.turn { served.frontEnd.text == "to and fro" })
    #expect(loop.sleepsThroughATurn())
    served.stop()
  }

  @Test func readsItsLastWordsBeforeItsEnd() throws {
    let served = try Served("echo last words; exit 3", on: loop)
    #expect(loop.turn { served.frontEnd.events == [.connected, .disconnected] })
    #expect(served.frontEnd.text == "last words\n")
    #expect(served.frontEnd.chardev.filename == "disconnected:exec:echo last words; exit 3")
    #expect(served.frontEnd.write("x") == .disconnected)
    served.stop()
  }

  @Test func seesItsInputEnd() throws {
    let served = try Served("cat >&2; echo ended", on: loop)
    #expect(loop.turn { served.frontEnd.events == [.connected] })
    served.frontEnd.chardev.session?.endOutput()
    #expect(loop.turn { served.frontEnd.events.last == .disconnected })
    #expect(served.frontEnd.text == "ended\n")
    served.stop()
  }

  @Test func inheritsNothingButStandardStreams() throws {
    let leaked = FileDescriptor(owning: open("/dev/null", O_RDONLY))
    let served = try Served(
      """
      test -e /proc/self/fd/\(leaked.rawValue) && echo leaked
      set -- $(sed -n 's/^Sig\\(Blk\\|Ign\\):\\t//p' /proc/self/status)
      # Two of the C library's own do not count.
      echo SigBlk:$((0x$1)) SigIgn:$((0x$2 & ~0x180000000))
      test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo own group
      """, on: loop)
    #expect(loop.turn { served.frontEnd.events.last == .disconnected })
    let lines = served.frontEnd.text.split(separator: "\n")
    #expect(lines == ["SigBlk:0 SigIgn:0", "own group"])
    served.stop()
  }

  @Test func isStartedAgainWhenTheGuestOpensThePort() throws {
    let served = try Served("echo $$; read line", on: loop)
    let first = served.readNumber()
    served.frontEnd.chardev.session?.guestWillOpen()
    loop.settle()
    #expect(served.source.startCount == 1, "it runs")
    served.frontEnd.write("\n")
    #expect(loop.turn { served.frontEnd.events == [.connected, .disconnected] })
    loop.settle()
    #expect(served.source.startCount == 1, "no one has asked for it")
    served.frontEnd.chardev.session?.guestWillOpen()
    #expect(loop.turn { served.frontEnd.events == [.connected, .disconnected, .connected] })
    #expect(loop.turn { served.frontEnd.text.split(separator: "\n").count == 2 })
    #expect(!served.frontEnd.text.hasSuffix("\n\(first ?? 0)\n"))
    served.stop()
  }

  /// A guest that opens and closes its port all the time.
  @Test func isNotStartedAgainTooSoon() throws {
    let served = try Served("true", rest: 1_000_000, on: loop)
    for _ in 0..<100 {
      served.frontEnd.chardev.session?.guestWillOpen()
      loop.settle()
    }
    #expect(served.source.startCount == 1)
    served.stop()
  }

  @Test func endsWithTheChardevAndLeavesNoZombie() throws {
    let served = try Served("echo $$; sleep 1000 | sleep 1000", on: loop)
    let number = try #require(served.readNumber())
    served.stop()
    #expect(kill(number, 0) == -1 && errno == ESRCH)
    #expect(waitpid(number, nil, WNOHANG) == -1 && errno == ECHILD)
    #expect(loop.turn { kill(-number, 0) == -1 }, "its descendants are gone too")
  }

  @Test func endsThoughItDoesNotWantTo() throws {
    let served = try Served("trap '' TERM; echo $$; while :; do sleep 1; done", grace: 1, on: loop)
    let number = try #require(served.readNumber())
    served.stop()
    #expect(waitpid(number, nil, WNOHANG) == -1 && errno == ECHILD)
    #expect(loop.turn { kill(-number, 0) == -1 })
  }

  /// It has no client any more, and would stay for ever.
  @Test func endsWhenItClosesItsStreams() throws {
    let served = try Served("echo $$; exec <&- >&-; sleep 1000", grace: 100, on: loop)
    let number = try #require(served.readNumber())
    #expect(loop.turn { served.frontEnd.events.last == .disconnected })
    #expect(loop.turn { kill(number, 0) == -1 })
    served.stop()
  }

  /// As head(1) does, which closes its input before it writes its output.
  @Test func mayFinishWithoutItsStreams() throws {
    let directory = try TemporaryDirectory()
    let served = try Served(
      "read go; exec <&- >&-; sleep 0.1; echo done >'\(directory["result"])'", grace: 10_000,
      on: loop)
    #expect(loop.turn { served.frontEnd.events == [.connected] })
    served.frontEnd.write("go\n")
    #expect(loop.turn { served.frontEnd.events == [.connected, .disconnected] })
    #expect(loop.turn { directory.text(of: "result") == "done\n" })
    served.stop()
  }

  /// H3: a program that does not read holds back this port.
  @Test func waitsForAProgramThatDoesNotRead() throws {
    let served = try Served("read line; exec cat >/dev/null", on: loop)
    #expect(loop.turn { served.frontEnd.events == [.connected] })
    let block = [UInt8](repeating: 1, count: 10_000)
    var written = 0
    while written < 64 << 20, case .transferred(let count) = served.frontEnd.write(block) {
      written += count
    }
    #expect(written < 64 << 20)
    served.stop()
  }

  @Test(arguments: ["", "a\0b"])
  func refusesACommandThatIsNone(_ command: String) {
    let error = #expect(throws: ChardevError.self) {
      try ChardevOpener().open(ChardevConfiguration(.program(command: command)))
    }
    #expect(error?.description.contains(";") == true)
  }

  @Test func aCommandThatIsNotThereIsItsEnd() throws {
    let served = try Served("exec /nonexistent/program 2>/dev/null", on: loop)
    #expect(loop.turn { !served.source.isRunning })
    // It may be over before the front end could be told that it began.
    #expect(loop.turn { served.frontEnd.events.last != .connected })
    #expect(served.frontEnd.write("x") == .disconnected)
    served.stop()
  }
}
