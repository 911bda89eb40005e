/// A key of an option's value, or on the keyboard, as the help and the manual page know it.
package struct KeyDescription: Equatable, Sendable {
  /// As it is typed, with what stands for its value.
  package let usage: String
  /// What it is for, where that is not all that its section is about.
  let scope: String?
  /// What it is, or does; a clause.
  let meaning: String
  /// What is so without it.
  let standard: String?

  init(_ usage: String, for scope: String? = nil, _ meaning: String, standard: String? = nil) {
    self.usage = usage
    self.scope = scope
    self.meaning = meaning
    self.standard = standard
  }

  /// The explanation, in sentences; unwrapped.
  var help: String {
    let clause = (scope.map { "For \($0): " } ?? "") + meaning + "."
    return clause.prefix(1).uppercased() + clause.dropFirst()
      + (standard.map { " Default: \($0)." } ?? "")
  }
}

/// Keys that belong together.
package struct KeySection: Equatable, Sendable {
  package let title: String
  /// What they are, in sentences; unwrapped.
  let introduction: String
  package let keys: [KeyDescription]
}

/// The keys that several options have.
package enum KeyTable {
  /// All of them, in the order in which the help shows them.
  package static let sections = [hostEnds, hostEndOptions, terminal]

  /// Where a port or the serial console leads to.
  package static let hostEnds = KeySection(
    title: "Host ends",
    introduction: "Keys of --virtserialport, --virtconsole, --preset and --serial. With several on"
      + " one port, each gets what the guest writes, and the guest gets what comes from any.",
    keys: [
      KeyDescription("socket=PATH", "a Unix socket that listens"),
      KeyDescription("abstract=NAME", "the same in the abstract name space, without a file"),
      KeyDescription(
        "tcp=[HOST:]PORT[-LAST]",
        "a TCP socket that listens on the first port of these that is free; on this host only,"
          + " unless \"expose\" is there. Any program and any user reaches it, and so does a web page"
          + " that a browser shows: it can send a guest agent commands"),
      KeyDescription("connect=PATH", "a Unix socket that connects"),
      KeyDescription("connect-abstract=NAME", "the same in the abstract name space"),
      KeyDescription("tcp-connect=HOST:PORT", "a TCP socket that connects"),
      KeyDescription(
        "udp=HOST:PORT[@LOCALHOST:LOCALPORT]", "datagrams to HOST, and those that come from there"),
      KeyDescription("file=PATH", "a file that is written"),
      KeyDescription("input=PATH", "a file that is read"),
      KeyDescription("pipe=PATH", "the FIFOs PATH.in and PATH.out, else PATH"),
      KeyDescription(
        "pty, pty=LINK",
        "a pseudo-terminal, whose path is told at the start; with a symbolic link to it"),
      KeyDescription("stdio", "standard input and output"),
      KeyDescription("stderr", "standard error, for output alone; with swiftvm's own messages"),
      KeyDescription(
        "ringbuf, ringbuf=SIZE",
        "the last 64 KiB, or SIZE bytes, in memory; \"swiftvm recv\" prints and follows it"),
      KeyDescription(
        "fd=NUMBER|NAME",
        "an inherited descriptor, or one of systemd's socket activation; 1 and 2 are standard output"
          + " and standard error"),
      KeyDescription("exec=COMMAND", "a program with the port as its standard input and output"),
      KeyDescription("null", "nothing"),
      KeyDescription("chardev=ID", "what a -chardev describes"),
    ])

  /// What refines host ends.
  package static let hostEndOptions = KeySection(
    title: "Options of host ends",
    introduction: "Further keys beside these. One that fits no host end of the port is refused.",
    keys: sockets + files + all)

  private static let sockets = [
    KeyDescription(
      "wait", for: "listening sockets", "the guest boots once the first client is there",
      standard: "off"),
    KeyDescription(
      "clients=exclusive|takeover|queue|broadcast", for: "listening sockets",
      "a further client is refused, takes over, waits, or is served, too", standard: "exclusive"),
    KeyDescription(
      "mode=MODE", for: "socket and file",
      "the permissions of the socket's file, or of a file that is made, e.g. 660",
      standard: "the umask's for a port's socket, 600 for a control socket and for a file"),
    KeyDescription(
      "owner=USER", for: "socket", "whose the socket's file is", standard: "this process's user"),
    KeyDescription(
      "group=GROUP", for: "socket", "which group's the socket's file is",
      standard: "this process's group"),
    KeyDescription(
      "allow-uid=N[:N...]", for: "listening Unix sockets", "the users whose processes are served",
      standard: "all"),
    KeyDescription(
      "allow-gid=N[:N...]", for: "listening Unix sockets", "the groups whose processes are served",
      standard: "all"),
    KeyDescription(
      "seqpacket", for: "Unix sockets", "packets, one for each buffer that the guest writes",
      standard: "off"),
    KeyDescription(
      "reconnect=SECONDS", for: "connecting sockets",
      "connects again after so long, twice as late after each failure, up to a minute",
      standard: "once only"),
    KeyDescription(
      "reconnect-ms=MILLISECONDS", for: "connecting sockets", "the same in milliseconds"),
    KeyDescription(
      "nodelay=on|off", for: "TCP", "small writes go out at once", standard: "on"),
    KeyDescription(
      "keepalive=SECONDS", for: "TCP",
      "a peer that gives no sign for so long is taken for dead, and its place is free; 0 for never",
      standard: "30"),
    KeyDescription(
      "replay=SIZE", for: "listening sockets of consoles and --serial",
      "a client gets the guest's last so many bytes first; bytes without a client are taken",
      standard: "none"),
    KeyDescription("expose", for: "tcp", "it may be reached from other machines", standard: "off"),
  ]

  private static let files = [
    KeyDescription("append", for: "file", "it is added to, not emptied", standard: "off"),
    KeyDescription(
      "rotate-size=SIZE", for: "file", "goes on in a new file when so much is in it",
      standard: "no limit"),
    KeyDescription("rotate-count=N", for: "file", "how many old ones are kept", standard: "1"),
  ]

  private static let all = [
    KeyDescription("log=PATH", "a file that gets a copy of the output", standard: "none"),
    KeyDescription("log-append", "the copy is added to the file", standard: "off"),
    KeyDescription("log-annotate", "the file gets both directions, with time", standard: "off"),
    KeyDescription(
      "mux",
      "several front ends share it by chardev=ID; Ctrl-A c gives the input to the next",
      standard: "off"),
    KeyDescription("chardev-id=ID", "what the host end is called for QMP and chardev=ID"),
  ]

  /// What a person at a console can do.
  package static let terminal = KeySection(
    title: "Keys on a terminal",
    introduction: "Where a serial console or a virtconsole has standard input and output, and these"
      + " are a terminal.",
    keys: [
      KeyDescription("Ctrl-A x", "ends the machine"),
      KeyDescription("Ctrl-A b", "sends a break, to which Linux listens for magic SysRq keys"),
      KeyDescription("Ctrl-A c", "gives the input to the next front end, with \"mux\""),
      KeyDescription("Ctrl-A a", "sends Ctrl-A to the guest"),
      KeyDescription("Ctrl-A h", "shows these keys"),
    ])
}
