import TestSupport
import Testing

extension StockGuestTests {
  /// What `--preset agent` makes of clients that leave too early: qemu-guest-agent as Debian has it.
  @Suite(
    .enabled(if: ProgramImage.obstacle == nil, Comment(rawValue: ProgramImage.obstacle ?? "")),
    .guest(Guest.Options(presets: ["agent"], hasPrograms: true)))
  struct AgentPresetTests {
    private static let port = "agent"

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    private func startGuestAgent() throws {
      try agent.run("pidof qemu-ga || { rm -f /tmp/qga.*; /scripts/qemu-ga >/tmp/qga.out 2>&1 & }")
    }

    private func ask(_ client: SocketClient, _ id: Int) throws {
      try client.sendAll("{\"execute\": \"guest-sync\", \"arguments\": {\"id\": \(id)}}\n")
    }

    /// The first line that a new client reads, which is to be the answer to what it asked.
    private func firstAnswer(_ id: Int) throws -> String {
      let client = try guest.connect(Self.port)
      try ask(client, id)
      return try client.receiveLine(seconds: 5)
    }

    @Test func attemptsBeforeTheAgentStartsAreNotAnsweredLater() throws {
      try agent.run("kill $(pidof qemu-ga) 2>/dev/null; true")
      try agent.wait(until: "! pidof qemu-ga", "the agent's end")
      for id in 1...20 {
        let client = try guest.connect(Self.port)
        try ask(client, id)
      }
      try startGuestAgent()
      // What is sent before the agent has opened the port is not for it.
      let deadline = Deadline(seconds: 60)
      for id in 100... {
        if let answer = try? firstAnswer(id) {
          #expect(answer == "{\"return\": \(id)}")
          break
        }
        guard !deadline.hasPassed else { throw deadline.failure("an answer") }
      }
    }

    /// In hundredths of a second.
    private func agentsTime() throws -> Int {
      let time = try agent.run("set -- $(cat /proc/$(pidof qemu-ga)/stat); echo $((${14} + ${15}))")
      return try #require(Int(time))
    }

    /// Asks for a megabyte in base64.
    private func askForALongAnswer(_ client: SocketClient, _ handle: Int) throws {
      try client.sendAll(
        "{\"execute\": \"guest-file-read\", \"arguments\": {\"handle\": \(handle), \"count\": 1000000}}\n"
      )
    }

    @Test func aClientThatLeavesItsAnswerKeepsTheAgentFromNothing() throws {
      try startGuestAgent()
      try agent.run("head -c 4000000 /dev/zero >/tmp/zeros")
      var opened: Int?
      do {
        let client = QEMUGuestAgent(try guest.connect(Self.port))
        try client.synchronize(1)
        opened = try client.execute("guest-file-open", "{\"path\": \"/tmp/zeros\"}")
      }
      let handle = try #require(opened)
      var time = [try agentsTime()]
      do {
        let client = try guest.connect(Self.port)
        try askForALongAnswer(client, handle)
        #expect(try client.receiveLine(seconds: 60).utf8.count > 1_300_000)
      }
      time.append(try agentsTime())
      do {
        let client = try guest.connect(Self.port)
        try askForALongAnswer(client, handle)
      }
      try agent.run("sleep 3")
      time.append(try agentsTime())
      let (read, unread) = (time[1] - time[0], time[2] - time[1])
      print(
        "figure: the agent's time for an answer of 1.3 MB: \(read) cs read, \(unread) cs unread")
      #expect(unread <= read + 10, "a tenth of a second more than making it takes")
      #expect(try firstAnswer(4711) == "{\"return\": 4711}")
    }
  }
}
