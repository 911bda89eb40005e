import Control
import Glibc
import TestSupport
import Testing

/// Host ends that take more than a line to show.
extension StockGuestTests.HostEndTests {
  /// A pipe without a reader holds up its own writer, and no other.
  @Test("virtio_trace_pipenb") func unreadPipeHoldsUpItsWriterOnly() throws {
    _ = try onHost("mkfifo unread")
    try plug("unread", "pipe=unread")
    try plug("beside", "socket=beside")
    try agent.startProgram("writer", "sh -c 'exec seq 1 150000 >\(Self.path("unread"))'")
    try agent.wait(for: "writer", toSleepIn: .write)
    try guest.checkEcho("beside", try guest.connect("beside"))
    #expect(try onHost("seq 1 150000 >all; head -c $(stat -c %s all) unread | cmp - all") == "")
    try agent.finish("writer")
    try unplug("unread", "beside")
  }

  /// Two ports at one terminal: what is typed goes to the one in focus, which Ctrl-A c changes.
  @Test func sharedHostEndSwitchesBetweenPorts() throws {
    try plug("shared.1", "socket=shared,mux,chardev-id=shared")
    try guest.control.execute(
      "device_add",
      ["driver": "virtserialport", "id": "shared.2", "name": "shared.2", "chardev": "shared"])
    try agent.run("await-port shared.2")
    for number in 1...2 {
      try agent.start(
        "shared\(number)",
        "exec 3<>\(Self.path("shared.\(number)")); vport wait - host <&3;"
          + " while read -r line <&3; do echo \"\(number) heard $line\" >&3; done")
    }
    let client = try guest.connect("shared")
    for (keys, answer) in [("a", "1 heard a"), ("\u{1}cb", "2 heard b"), ("\u{1}cc", "1 heard c")] {
      try client.sendAll(keys + "\n")
      try client.awaitText(answer + "\n")
    }
    try unplug("shared.1", "shared.2")
  }

  /// A program closes the terminal, which the guest sees, and another opens it.
  @Test func terminalMayBeOpenedAgain() throws {
    try plug("reopened", "pty=reopened")
    try agent.start(
      "reader",
      "exec 3<>\(Self.path("reopened")); for what in hup host hup host; do"
        + " vport wait - $what <&3; done; read -r line <&3; echo \"heard $line\" >&3")
    #expect(try agent.line(1, of: "reader") == "IN HUP")
    let program = open(guest.file("reopened"), O_RDWR | O_NOCTTY | O_CLOEXEC)
    #expect(try agent.line(2, of: "reader") == "OUT")
    close(program)
    #expect(try agent.line(3, of: "reader") == "IN HUP")
    #expect(
      try onHost("exec 3<>reopened; echo hello >&3; read -r line <&3; echo $line")
        == "heard hello")
    try agent.finish("reader")
    try unplug("reopened")
  }

  /// A console in the guest has the size of the terminal on the host.
  @Test func terminalGivesConsoleItsSize() throws {
    try plug("sized", "pty=sized", option: "virtconsole")
    try agent.wait(until: "[ -c /dev/hvc0 ]", "the console")
    try agent.startProgram("held", "sh -c 'exec sleep 1000 </dev/hvc0'")
    for size in ["33 77", "50 132"] {
      _ = try onHost("set -- \(size); stty -F sized rows $1 cols $2")
      try agent.wait(until: "[ \"$(stty size </dev/hvc0)\" = '\(size)' ]", "the size \(size)")
    }
    try agent.stop("held")
    try unplug("sized")
  }

  /// The second of two ports that want the same TCP port has the next one.
  @Test func firstFreeTCPPortOfARangeIsTaken() throws {
    let range = (first: 47_310, last: 47_312)
    for (index, port) in ["early", "late"].enumerated() {
      try plug(port, "tcp=\(range.first)-\(range.last)")
      try guest.checkEcho(port, try SocketClient(localPort: UInt16(range.first + index)))
    }
    try unplug("early", "late")
  }

  /// A guest of its own does not begin before its client is there.
  @Test func clientIsWaitedFor() throws {
    let port = "org.fedoraproject.port.0"
    let waiting = try Guest(
      Guest.Options(action: "demo", ports: [port], portKeys: [port: "wait"], hasControl: true))
    #expect(try waiting.control.execute("query-status")["status"] == "prelaunch")
    #expect(waiting.messages.contains("waiting for a client of"))
    #expect(waiting.console.isEmpty)
    let client = try waiting.connect(port)
    try client.sendAll("hello\n")
    let answer = try client.receiveLine(seconds: Guest.bootLimit)
    #expect(answer.hasPrefix("hello host") && answer.hasSuffix("you said: hello"), "\(answer)")
    #expect(try waiting.awaitEnd() == .exited(0))
  }
}
