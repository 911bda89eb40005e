import Glibc
import TestSupport
import Testing

/// A guest that gives its machine as much to do as it can does not keep others waiting.
@Suite(MicroVM.requirement, .serialized)
struct ResponsivenessTests {
  /// A backend, and how many read from it at the socket `a`.
  struct HostEnd: CustomTestStringConvertible {
    let words: String
    var readers = 0
    var isPacketed = false
    var testDescription: String { words }

    static let all = [
      HostEnd(words: "socket=a", readers: 1),
      HostEnd(words: "socket=a,seqpacket=on", readers: 1, isPacketed: true),
      HostEnd(words: "socket=a,seqpacket=on,clients=broadcast", readers: 40, isPacketed: true),
      HostEnd(words: "socket=a,clients=broadcast", readers: 10),
      HostEnd(words: "udp=127.0.0.1:9"),
      HostEnd(words: "file=out"),
      HostEnd(words: "file=out,rotate-size=4096,rotate-count=100"),
      HostEnd(words: "file=out,log=record,log-annotate"),
      HostEnd(words: "null"),
      HostEnd(words: "ringbuf=64K"),
      HostEnd(words: "exec=cat >/dev/null"),
      HostEnd(words: "pty"),
    ]
  }

  /// Asks a hundred times, and expects nearly all answers within a tenth of a second, which a busy
  /// host needs; then the end by a signal within one.
  private func expectAnswers(of machine: MicroVM, _ location: SourceLocation = #_sourceLocation)
    throws
  {
    let client = try QMPClient(machine.directory["qmp"])
    var seconds: [Double] = []
    for _ in 0..<100 {
      let start = monotonicSeconds()
      #expect(client.ask("query-status")?.contains("running") == true, sourceLocation: location)
      seconds.append(monotonicSeconds() - start)
      usleep(1000)
    }
    #expect(seconds.sorted()[96] < 0.1, sourceLocation: location)
    let end = machine.process.end(by: SIGTERM)
    #expect(end.ending == .exited(143), sourceLocation: location)
    #expect(end.seconds < 1, sourceLocation: location)
  }

  @Test(
    "Buffers of one byte without end, whatever their port leads to", arguments: HostEnd.all)
  func drizzle(_ hostEnd: HostEnd) throws {
    let machine = try MicroVM(
      "run=drizzle mode=poll port=a", ports: [],
      options: [
        "--virtserialport", "name=a," + hostEnd.words, "--qmp", "unix:qmp,server=on,wait=off",
      ])
    let readers = try (0..<hostEnd.readers).map { _ in
      Reader(try SocketClient(machine.directory["a"], isPacketed: hostEnd.isPacketed))
    }
    #expect(machine.says("drizzling"))
    try expectAnswers(of: machine)
    for reader in readers { reader.join() }
  }

  @Test("The same on thirty ports at once")
  func drizzleEverywhere() throws {
    let ports = (1...30).flatMap { ["--virtserialport", "name=p\($0),udp=127.0.0.1:9"] }
    let machine = try MicroVM(
      "run=drizzle mode=poll port=p30 all=yes", ports: [],
      options: ports + ["--qmp", "unix:qmp,server=on,wait=off"])
    #expect(machine.says("drizzling"))
    try expectAnswers(of: machine)
  }

  @Test("A guest that takes its notify registers away and puts them back without end")
  func toggles() throws {
    let machine = try MicroVM(
      "run=toggle mode=poll port=a", options: ["--qmp", "unix:qmp,server=on,wait=off"])
    #expect(machine.says("toggling"))
    try expectAnswers(of: machine)
  }

  @Test("A notification is not lost with the registers that were away just before")
  func notifiesAfterEachToggle() throws {
    let machine = try MicroVM("run=toggle mode=msix port=a toggles=300 asks=yes")
    #expect(machine.says("port 1 closed, interrupts came"))
    #expect(machine.status() == 0)
  }

  @Test("Notifications arrive after their registers have been away")
  func notifiesAfterToggles() throws {
    let machine = try MicroVM("run=toggle,console mode=msix port=a wait=host toggles=20 echo=20")
    let client = try machine.connect()
    // What comes before is lost with the reset between the two.
    #expect(machine.says("port 1 closed, interrupts came"))
    for number in 1...20 {
      client.send("\(number)\n")
      #expect(client.line() == "echo \(number)")
    }
    #expect(machine.status() == 0)
  }
}

/// Reads and drops what comes, on a thread of its own.
private final class Reader {
  private let thread: pthread_t
  private let client: SocketClient

  init(_ client: SocketClient) {
    self.client = client
    let descriptor = client.descriptor
    thread = startThread {
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      while read(descriptor, &buffer, buffer.count) > 0 {}
    }
  }

  func join() { pthread_join(thread, nil) }
}
