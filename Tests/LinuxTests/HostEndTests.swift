import Control
import Testing

extension StockGuestTests {
  /// A line goes to a Linux guest and back through host ends of every kind.
  @Suite(
    .guest(
      Guest.Options(
        hasControl: true,
        arguments: ["--virtserialport", "name=given,fd=\(GivenSocket.descriptorName)"],
        launcher: GivenSocket.launcher)))
  struct HostEndTests {
    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    @Test(arguments: HostEnd.all) func answersThrough(_ end: HostEnd) throws {
      let port = end.name
      let directory = guest.file(".")
      let keys = end.keys.replacing("DIR", with: directory)
      _ = try Tool.shell("cd \(directory); \(end.before)")
      try guest.control.execute(
        "x-swiftvm-plug",
        [
          "option": "virtserialport", "value": .string("name=\(port),id=\(port),\(keys)"),
          "directory": .string(directory),
        ])
      try agent.run("await-port \(port)")
      try agent.start("echo", "vport echo /dev/virtio-ports/\(port) 6")
      #expect(try Tool.shell("cd \(directory); \(end.peer)", seconds: 60) == end.answer)
      try agent.finish("echo")
      try guest.remove(port)
      try guest.awaitAbsence(of: [port])
    }

    @Test func answersThroughAGivenSocket() throws {
      try agent.start("echo", "vport echo /dev/virtio-ports/given 6")
      #expect(try Tool.shell(HostEnd.talk(GivenSocket.client), seconds: 60) == "hello")
      try agent.finish("echo")
    }
  }
}

/// A listening socket that the executable is started with, as systemd does it.
private enum GivenSocket {
  static let descriptorName = "clients"
  private static let address = #""\0swiftvm-\#(UInt64.random(in: 0 ... .max))""#
  static let client = "IO::Socket::UNIX->new(Peer => \(address))"
  static let launcher = [
    "perl", "-MIO::Socket", "-e",
    "BEGIN { $^F = 3 } my $s = IO::Socket::UNIX->new(Local => \(address), Listen => 1) or die;"
      + " fileno($s) == 3 or die; @ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)}"
      + " = ($$, 1, '\(descriptorName)'); exec @ARGV", "--",
  ]
}

/// A host end, and a program that says hello through it and prints what comes back.
struct HostEnd: Sendable, CustomTestStringConvertible {
  let name: String
  /// Keys of `--virtserialport`; DIR stands for the directory.
  let keys: String
  /// What is run before the port is there, in the directory of the host end's files.
  var before = "true"
  /// The program.
  let peer: String
  var answer = "hello"

  var testDescription: String { name }

  /// A program with a socket, which the Perl expression opens.
  static func talk(_ socket: String) -> String {
    "perl -MIO::Socket -e 'alarm 50; until ($s = \(socket)) { select undef, undef, undef, 0.02 }"
      + #" $s->send("hello\n"); $s->recv($b, 99); print $b'"#
  }

  private static let internet = #"LocalAddr => "127.0.0.1""#
  private static let tcpPort = 47_301
  private static let udpPorts = (ours: 47_302, theirs: 47_303)

  static let all = [
    HostEnd(
      name: "unix", keys: "socket=unix", peer: talk(#"IO::Socket::UNIX->new(Peer => "unix")"#)),
    HostEnd(
      name: "abstract", keys: "abstract=swiftvm-\(tcpPort)",
      peer: talk(#"IO::Socket::UNIX->new(Peer => "\0swiftvm-\#(tcpPort)")"#)),
    HostEnd(
      name: "packets", keys: "socket=packets,seqpacket",
      peer: talk(#"IO::Socket::UNIX->new(Type => SOCK_SEQPACKET, Peer => "packets")"#)),
    HostEnd(
      name: "connecting", keys: "connect=server,reconnect-ms=20",
      peer: talk(#"IO::Socket::UNIX->new(Local => "server", Listen => 1)->accept"#)),
    HostEnd(
      name: "tcp", keys: "tcp=\(tcpPort)",
      peer: talk(#"IO::Socket::INET->new("127.0.0.1:\#(tcpPort)")"#)),
    HostEnd(
      name: "tcp-connecting", keys: "tcp-connect=127.0.0.1:\(tcpPort),reconnect-ms=20",
      peer: talk(
        "IO::Socket::INET->new(\(internet), LocalPort => \(tcpPort), ReuseAddr => 1, Listen => 1)"
          + "->accept")),
    HostEnd(
      name: "udp", keys: "udp=127.0.0.1:\(udpPorts.theirs)@127.0.0.1:\(udpPorts.ours)",
      peer: talk(
        "IO::Socket::INET->new(Proto => \"udp\", \(internet), LocalPort => \(udpPorts.theirs),"
          + " PeerAddr => \"127.0.0.1\", PeerPort => \(udpPorts.ours))")),
    HostEnd(
      name: "broadcast", keys: "socket=broadcast,clients=broadcast",
      peer: "perl -MIO::Socket -e 'alarm 50; for (0, 1) {"
        + #" $s[$_] = IO::Socket::UNIX->new(Peer => "broadcast") or die }"#
        + #" $s[0]->send("hello\n"); for (@s) { $_->recv($b, 99); print $b }'"#,
      answer: "hello\nhello"),
    HostEnd(
      name: "fifos", keys: "pipe=fifo", before: "mkfifo fifo.in fifo.out",
      peer: "echo hello >fifo.in; head -n 1 fifo.out"),
    HostEnd(
      name: "terminal", keys: "pty=terminal",
      peer: "exec 3<>terminal; echo hello >&3; read -r line <&3; echo $line"),
    HostEnd(
      name: "files", keys: "input=input,file=output,log=log", before: "echo hello >input",
      peer: "until cmp -s input output; do sleep 0.02; done; cat output log",
      answer: "hello\nhello"),
    HostEnd(
      name: "program", keys: "exec=echo hello; exec head -n 1 >DIR/heard",
      peer: "until [ -s heard ]; do sleep 0.02; done; cat heard"),
  ]
}
