import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// What the channel promises, in one guest with two CPUs.
  @Suite(
    .guest(
      Guest.Options(
        ports: ChannelPort.all, portKeys: [ChannelPort.discarded: "on-host-close=discard"],
        hasControl: true, arguments: ["--cpus", "2"])))
  struct ChannelTests {
    typealias Port = ChannelPort

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }

    @Test func everyPortHasItsName() throws {
      let names = try agent.run("ls /dev/virtio-ports").split(separator: "\n").map(String.init)
      #expect(names.sorted() == (Port.all + [Guest.agentPort]).sorted())
    }

    @Test func guestKnowsTheDate() throws {
      let before = time(nil)
      let date = try #require(Int(try agent.run("date +%s")))
      #expect((before - 2...time(nil) + 2).contains(date))
    }

    @Test func lineIsAnsweredThroughThePort() throws {
      try agent.start(
        "demo",
        "exec 3<>\(Self.path(Port.fedora)); vport wait - host <&3; read -r line <&3;"
          + " echo \"you said: $line\" >&3")
      let client = try guest.connect(Port.fedora)
      try client.sendAll("hello guest\n")
      #expect(try client.receiveLine() == "you said: hello guest")
      try agent.finish("demo")
    }

    @Test func clientMayComeAfterTheGuestHasOpened() throws {
      try agent.start(
        "late", "exec 3<>\(Self.path(Port.second)); echo >/tmp/late.open; vport echo - 6 <&3")
      try agent.run("until [ -e /tmp/late.open ]; do usleep 20000; done")
      let client = try guest.connect(Port.second)
      try client.sendAll("later\n")
      #expect(try client.receiveLine() == "later")
      try agent.finish("late")
    }

    @Test func pollTellsWhetherAClientIsThere() throws {
      let path = Self.path(Port.second)
      let alone = try agent.run("vport wait \(path) hup 20000")
      #expect(alone == "IN HUP")
      let client = try guest.connect(Port.second)
      #expect(try agent.run("vport wait \(path) host 20000") == "OUT")
      try client.sendAll("x")
      #expect(try agent.run("vport wait \(path) in 20000") == "IN OUT")
    }

    @Test func pollTellsThatTheClientHasLeft() throws {
      let path = Self.path(Port.second)
      try agent.start("leave", "exec 3<>\(path); vport wait - host <&3; vport wait - hup <&3")
      var client: SocketClient? = try guest.connect(Port.second)
      try agent.run("until grep -q OUT /tmp/leave.out; do usleep 20000; done")
      #expect(client != nil)
      client = nil
      #expect(try agent.finish("leave") == "OUT\nIN HUP")
    }

    @Test func secondClientIsRefusedAtOnce() throws {
      try agent.start("only", "vport echo \(Self.path(Port.second)) 12")
      let first = try guest.connect(Port.second)
      try first.sendAll("first\n")
      #expect(try first.receiveLine() == "first")
      let second = try guest.connect(Port.second)
      #expect(try second.receiveToEnd(seconds: 5).isEmpty)
      try first.sendAll("again\n")
      #expect(try first.receiveLine() == "again")
      try agent.finish("only")
    }

    @Test func clientMayLeaveBeforeTheGuestOpens() throws {
      let text = String(repeating: "0123456789abcdef", count: 4096)
      do {
        let client = try guest.connect(Port.unopened)
        try client.sendAll(text)
      }
      #expect(try agent.run("head -c \(text.utf8.count) \(Self.path(Port.unopened))") == text)
    }

    @Test func memoryStaysFlatWithOneIdlePort() throws {
      let resident = ProcessStatus(of: guest.process.pid).residentKibibytesBesideGuest
      print("figure: \(resident) KiB resident beside the guest's memory")
      #expect(resident < 16 << 10)
    }
  }
}

/// The ports of that guest: one for each test that leaves bytes or writers behind.
enum ChannelPort {
  static let fedora = "org.fedoraproject.port.0"
  static let second = "org.example.second"
  static let unopened = "org.example.unopened"
  static let blocked = "org.example.blocked"
  static let kept = "org.example.kept"
  static let drained = "org.example.drained"
  static let abrupt = "org.example.abrupt"
  static let discarded = "org.example.discarded"
  static let all = [fedora, second, unopened, blocked, kept, drained, abrupt, discarded]
}
