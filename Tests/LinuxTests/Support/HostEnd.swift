import Testing

/// A backend, and a program that says hello through it and prints what comes back.
struct HostEnd: Sendable, CustomTestStringConvertible {
  let name: String
  /// Keys of `--virtserialport`; DIR stands for the directory.
  let keys: String
  /// What is run before the port is there, in the directory of the backend's files.
  var before = "true"
  /// The program.
  let peer: String
  var answer = "hello"
  /// How many bytes the guest sends back.
  var count = 6

  var testDescription: String { name }

  /// A program with a socket, which the Perl expression opens.
  static func talk(_ socket: String) -> String {
    script("until ($s = \(socket)) { select undef, undef, undef, 0.02 } hello($s)")
  }

  /// A Perl program, with a function that says hello through a socket and prints what comes back.
  private static func script(_ text: String) -> String {
    #"perl -MIO::Socket -e 'alarm 50; sub hear { $_[0]->recv($b, 99); print $b eq "" ? "gone\n" : $b }"#
      + #" sub hello { $_[0]->send("hello\n"); hear($_[0]) } \#(text)'"#
  }

  /// The peer of a backend that is written by and by.
  private static func wait(until condition: String, then command: String) -> String {
    "until \(condition); do sleep 0.02; done; \(command)"
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
      peer: script(
        #"@s = map { IO::Socket::UNIX->new(Peer => "broadcast") or die } 0, 1; hello($s[0]); hear($s[1])"#
      ),
      answer: "hello\nhello"),
    HostEnd(
      name: "takeover", keys: "socket=takeover,clients=takeover",
      peer: script(
        #"sub client { IO::Socket::UNIX->new(Peer => "takeover") or die }"#
          + " hello($a = client()); $c = client(); hear($a); hello($c)"),
      answer: "hello\ngone\nhello", count: 12),
    // The second client speaks first, and has its answer once the first has gone.
    HostEnd(
      name: "queue", keys: "socket=queue,clients=queue",
      peer: script(
        #"@s = map { IO::Socket::UNIX->new(Peer => "queue") or die } 0, 1; $s[1]->send("second\n");"#
          + " hello($s[0]); close $s[0]; hear($s[1])"),
      answer: "hello\nsecond", count: 13),
    HostEnd(
      name: "connecting-abstract",
      keys: "connect-abstract=swiftvm-\(udpPorts.ours),reconnect-ms=20",
      peer: talk(
        #"IO::Socket::UNIX->new(Local => "\0swiftvm-\#(udpPorts.ours)", Listen => 1)->accept"#)),
    // The peer goes, its socket with it, and comes back.
    HostEnd(
      name: "reconnecting", keys: "connect=lost,reconnect-ms=20",
      peer: script(
        #"for (0, 1) { unlink "lost"; $l = IO::Socket::UNIX->new(Local => "lost", Listen => 1) or die;"#
          + " $s = $l->accept; close $l; hello($s); close $s }"),
      answer: "hello\nhello", count: 12),
    HostEnd(
      name: "fifos", keys: "pipe=fifo", before: "mkfifo fifo.in fifo.out",
      peer: "echo hello >fifo.in; head -n 1 fifo.out"),
    HostEnd(
      name: "terminal", keys: "pty=terminal",
      peer: "exec 3<>terminal; echo hello >&3; read -r line <&3; echo $line"),
    // Output goes to the one FIFO only.
    HostEnd(
      name: "fifo", keys: "input=for-fifo,pipe=lone", before: "mkfifo lone; echo hello >for-fifo",
      peer: "head -n 1 lone"),
    HostEnd(
      name: "two-sinks", keys: "socket=of-two,file=other-of-two",
      peer: talk(#"IO::Socket::UNIX->new(Peer => "of-two")"#)
        + "; " + wait(until: "[ -s other-of-two ]", then: "cat other-of-two"),
      answer: "hello\nhello"),
    HostEnd(
      name: "files", keys: "input=input,file=output,log=log", before: "echo hello >input",
      peer: wait(until: "cmp -s input output", then: "cat output log"), answer: "hello\nhello"),
    HostEnd(
      name: "appended", keys: "input=for-appended,file=appended,append",
      before: "echo hello >for-appended; echo old >appended",
      peer: wait(until: "[ $(wc -l <appended) = 2 ]", then: "cat appended"),
      answer: "old\nhello"),
    // 13893 bytes in files of 4096, of which the last and the two before it are kept.
    HostEnd(
      name: "rotated", keys: "input=numbers,file=rotated,rotate-size=4K,rotate-count=2",
      before: "seq 1 3000 >numbers; tail -c 9797 numbers >last",
      peer: wait(
        until: "cat rotated.2 rotated.1 rotated 2>/dev/null | cmp -s - last",
        then: "stat -c %s rotated.2 rotated.1 rotated; ls rotated.*"),
      answer: "4096\n4096\n1605\nrotated.1\nrotated.2", count: 13893),
    HostEnd(
      name: "annotated", keys: "socket=annotated,log=lines,log-append,log-annotate",
      before: "echo old >lines",
      peer: talk(#"IO::Socket::UNIX->new(Peer => "annotated")"#)
        + "; " + wait(until: "grep -q disconnected lines", then: "cut -d ' ' -f 2- lines"),
      answer: "hello\nold\n* connected\n< hello\n> hello\n* disconnected"),
    HostEnd(
      name: "ring", keys: "input=for-ring,ringbuf", before: "echo hello >for-ring",
      peer: "\(LinuxHost.executable) recv ring --control control --lines 1 --timeout 50"),
    HostEnd(
      name: "program", keys: "exec=echo hello; exec head -n 1 >DIR/heard",
      peer: wait(until: "[ -s heard ]", then: "cat heard")),
  ]
}
