import Control
import Testing

extension StockGuestTests {
  /// A line goes to a Linux guest and back through backends of every kind.
  @Suite(
    .guest(
      Guest.Options(
        hasControl: true,
        arguments: GivenSocket.all.flatMap {
          ["--virtserialport", "name=\($0.port),fd=\($0.word)"]
        },
        launcher: GivenSocket.launcher)))
  struct HostEndTests {
    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    /// Adds a port whose id and name are alike, as `swiftvm plug` does.
    func plug(_ port: String, _ keys: String, option: String = "virtserialport") throws {
      try guest.control.execute(
        "x-swiftvm-plug",
        [
          "option": .string(option), "value": .string("name=\(port),id=\(port),\(keys)"),
          "directory": .string(guest.file(".")),
        ])
      try agent.run("await-port \(port)")
    }

    /// Removes ports; their names are free then.
    func unplug(_ ports: String...) throws {
      for port in ports { try guest.remove(port) }
      try guest.awaitAbsence(of: ports)
    }

    /// Runs a shell command of the host's where the files of backends are.
    func onHost(_ command: String) throws -> String {
      try Tool.shell("cd \(guest.file(".")); \(command)", seconds: 60)
    }

    @Test(arguments: HostEnd.all) func answersThrough(_ end: HostEnd) throws {
      _ = try onHost(end.before)
      try plug(end.name, end.keys.replacing("DIR", with: guest.file(".")))
      try agent.start("echo", "vport echo \(Self.path(end.name)) \(end.count)")
      #expect(try onHost(end.peer) == end.answer)
      try agent.finish("echo")
      try unplug(end.name)
    }

    @Test(arguments: GivenSocket.all)
    func answersThroughAGivenSocket(_ socket: GivenSocket) throws {
      try agent.start("echo", "vport echo \(Self.path(socket.port)) 6")
      #expect(try Tool.shell(HostEnd.talk(socket.client), seconds: 60) == "hello")
      try agent.finish("echo")
    }

    static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }
  }
}

/// A listening socket that the executable is started with.
struct GivenSocket: Sendable, CustomTestStringConvertible {
  let port: String
  /// What `fd=` says.
  let word: String
  private let address = #""\0swiftvm-\#(UInt64.random(in: 0 ... .max))""#

  var testDescription: String { port }
  var client: String { "IO::Socket::UNIX->new(Peer => \(address))" }
  private var server: String { "IO::Socket::UNIX->new(Local => \(address), Listen => 1)" }

  /// Descriptor 3, as systemd gives it, and 4, of which nothing but its number is known.
  static let all = [
    GivenSocket(port: "given", word: "clients"), GivenSocket(port: "numbered", word: "4"),
  ]

  static let launcher = [
    "perl", "-MIO::Socket", "-e",
    "BEGIN { $^F = 4 } my @s = (\(all.map(\.server).joined(separator: ", ")));"
      + " \"@{[map { fileno $_ } @s]}\" eq '3 4' or die; @ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)}"
      + " = ($$, 1, '\(all[0].word)'); exec @ARGV", "--",
  ]
}
