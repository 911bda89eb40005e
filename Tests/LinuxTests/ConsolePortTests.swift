import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// Consoles: hvc0 on a terminal, hvc1 on a socket; both are terminals to the guest.
  @Suite struct ConsolePortTests {
    private static let port = "org.example.port"

    /// The guest, its terminal, and where clients of its second console go.
    private struct Setup {
      let terminal: UserTerminal
      let directory: TemporaryDirectory
      let guest: Guest
      let agent: Agent

      var serial: String { directory["serial"] }
      var console: String { directory["console"] }

      init() throws {
        terminal = UserTerminal()
        terminal.resize(columns: 97, rows: 43)
        directory = try TemporaryDirectory()
        guest = try Guest(
          Guest.Options(
            ports: [ConsolePortTests.port], append: "quiet console=hvc0",
            arguments: [
              "--virtconsole", "stdio", "--serial", "file=\(directory["serial"])",
              "--virtconsole", "name=org.example.console,socket=\(directory["console"])",
            ], terminal: terminal.path))
        try guest.awaitAgent()
        agent = try guest.agent
      }
    }

    /// One boot for all of it; each part needs nothing of the others.
    @Test("virtio_port_login") func consolesAreTerminals() throws {
      let setup = try Setup()
      try checkSize(setup)
      try checkKernelMessages(setup)
      try checkOpens(setup)
      try checkTerminalLogin(setup)
      try checkSocketLogin(setup)
      try checkNoLoginOnChannel(setup)
      try checkOutputIsNeverHeld(setup)
      #expect(try setup.guest.powerOff() == .exited(0))
    }

    private func checkSize(_ setup: Setup) throws {
      #expect(try setup.agent.run("stty size </dev/hvc0") == "43 97")
      setup.terminal.resize(columns: 132, rows: 50)
      try setup.agent.wait(until: "[ \"$(stty size </dev/hvc0)\" = '50 132' ]", "the new size")
    }

    private func checkKernelMessages(_ setup: Setup) throws {
      #expect(try setup.agent.run("cat /proc/consoles").contains("hvc0"))
      try setup.agent.run("echo '<1>a word from the kernel' >/dev/kmsg")
      try setup.terminal.awaitText("a word from the kernel", seconds: 60)
    }

    /// multi_open for consoles.
    private func checkOpens(_ setup: Setup) throws {
      try setup.agent.run("exec 3<>/dev/hvc0 4<>/dev/hvc0; echo third >/dev/hvc0")
      try setup.terminal.awaitText("third", seconds: 60)
    }

    private func startGetty(_ setup: Setup, _ name: String, _ device: String) throws {
      try setup.agent.run(
        "mkdir -p /etc; echo root:x:0: >/etc/group;"
          + " echo \"root:$(mkpasswd -m md5 swordfish):0:0:root:/:/bin/sh\" >/etc/passwd")
      try setup.agent.startProgram(name, "getty -L 115200 \(device) vt100")
    }

    private func checkTerminalLogin(_ setup: Setup) throws {
      let terminal = setup.terminal
      try startGetty(setup, "getty0", "hvc0")
      for (password, answer) in [("sardine", "Login incorrect"), ("swordfish", "# ")] {
        try terminal.awaitText("login: ", seconds: 60)
        terminal.type("root\r")
        try terminal.awaitText("Password: ", seconds: 60)
        terminal.type(password + "\r")
        try terminal.awaitText(answer, seconds: 60)
      }
      terminal.type("tty\r")
      try terminal.awaitText("/dev/hvc0", seconds: 60)
      terminal.type("exit\r")
      try setup.agent.finish("getty0")
    }

    private func checkSocketLogin(_ setup: Setup) throws {
      let client = try SocketClient(setup.console)
      try startGetty(setup, "getty1", "hvc1")
      try client.awaitText("login: ")
      try client.sendAll("root\r")
      try client.awaitText("Password: ")
      try client.sendAll("swordfish\r")
      try client.awaitText("# ")
      try client.sendAll("tty; exit\r")
      try client.awaitText("\n/dev/hvc1")
      try setup.agent.finish("getty1")
    }

    /// A channel is no terminal: a program cannot ask for a password there.
    private func checkNoLoginOnChannel(_ setup: Setup) throws {
      let client = try setup.guest.connect(Self.port)
      let getty = "timeout 30 getty -L 115200 virtio-ports/\(Self.port) vt100"
      #expect(try setup.agent.answer(to: getty).status != 0)
      // Nothing but getty's complaint.
      let said = client.unreadCount > 0 ? try client.receivePiece() : []
      #expect(!String(decoding: said, as: UTF8.self).contains("login:"))
    }

    /// Linux spins until a console's bytes are taken, sixteen at a time, each of which costs the
    /// client's socket hundreds: what it has no room for is dropped.
    private func checkOutputIsNeverHeld(_ setup: Setup) throws {
      let client = try SocketClient(setup.console)
      try setup.agent.run("seq 1 8000 >/dev/hvc1", seconds: 120)
      #expect(client.unreadCount > 0)
    }
  }
}
