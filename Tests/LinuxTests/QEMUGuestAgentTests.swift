import TestSupport
import Testing

/// qemu-guest-agent.
extension StockGuestTests.ProgramTests {
  /// Starts the agent, if no test has yet.
  private func startGuestAgent() throws {
    try agent.run("pidof qemu-ga || { rm -f /tmp/qga.*; /scripts/qemu-ga >/tmp/qga.out 2>&1 & }")
  }

  private func connectToGuestAgent() throws -> QEMUGuestAgent {
    try startGuestAgent()
    let client = QEMUGuestAgent(try guest.connect(Port.guestAgent))
    try client.synchronize(Int.random(in: 1...1_000_000))
    return client
  }

  private struct Information: Decodable {
    struct Command: Decodable { let name: String, enabled: Bool }
    let version: String
    let supportedCommands: [Command]
    enum CodingKeys: String, CodingKey {
      case version
      case supportedCommands = "supported_commands"
    }
  }

  private struct System: Decodable {
    let id: String
    let machine: String
    let kernelRelease: String
    enum CodingKeys: String, CodingKey {
      case id, machine
      case kernelRelease = "kernel-release"
    }
  }

  @Test func guestAgentTellsOfItselfAndTheSystem() throws {
    let client = try connectToGuestAgent()
    let information = try client.execute("guest-info", as: Information.self)
    #expect(!information.version.isEmpty)
    #expect(information.supportedCommands.contains { $0.name == "guest-exec" && $0.enabled })
    let system = try client.execute("guest-get-osinfo", as: System.self)
    #expect(!system.id.isEmpty)
    #expect(system.machine == "x86_64")
    #expect(system.kernelRelease == (try agent.run("uname -r")))
  }

  @Test func guestAgentRunsProgramsWithTheirOutput() throws {
    let client = try connectToGuestAgent()
    let short = try client.run("echo out; echo err >&2; exit 3")
    #expect(short.status == 3)
    #expect(short.output == "out\n")
    #expect(short.errors == "err\n")
    // Far more than what a port's queue holds, in one line of JSON.
    let long = try client.run("seq 1 100000")
    #expect(long.status == 0)
    #expect(long.output.utf8.count == 588_895)
    #expect(long.output.hasSuffix("\n99999\n100000\n"))
  }

  @Test func guestAgentWritesAndReadsFiles() throws {
    struct Count: Decodable { let count: Int }
    struct Piece: Decodable {
      let count: Int, eof: Bool, base64: String
      enum CodingKeys: String, CodingKey {
        case count, eof
        case base64 = "buf-b64"
      }
    }
    let client = try connectToGuestAgent()
    let text = "c2l4dGVlbiBieXRlcyEhCg=="  // "sixteen bytes!!\n"
    let path = "/tmp/file"
    let written: Int = try client.execute(
      "guest-file-open", "{\"path\": \"\(path)\", \"mode\": \"w\"}")
    let count: Count = try client.execute(
      "guest-file-write", "{\"handle\": \(written), \"buf-b64\": \"\(text)\"}")
    #expect(count.count == 16)
    _ = try client.execute(
      "guest-file-flush", "{\"handle\": \(written)}", as: QEMUGuestAgent.Nothing.self)
    #expect(try agent.run("cat \(path)") == "sixteen bytes!!")
    _ = try client.execute(
      "guest-file-close", "{\"handle\": \(written)}", as: QEMUGuestAgent.Nothing.self)

    let read: Int = try client.execute("guest-file-open", "{\"path\": \"\(path)\"}")
    let piece: Piece = try client.execute("guest-file-read", "{\"handle\": \(read)}")
    #expect(piece.base64 == text)
    #expect(piece.count == 16)
    #expect(piece.eof)
    _ = try client.execute(
      "guest-file-close", "{\"handle\": \(read)}", as: QEMUGuestAgent.Nothing.self)
    #expect(throws: Failure.self) {
      try client.execute(
        "guest-file-read", "{\"handle\": \(read)}", as: QEMUGuestAgent.Nothing.self)
    }
  }

  /// Some leave in the middle of a command, some without reading the answer.
  @Test func guestAgentServesOneClientAfterTheOther() throws {
    try startGuestAgent()
    for number in 1...10 {
      do {
        let client = QEMUGuestAgent(try guest.connect(Port.guestAgent))
        try client.synchronize(number)
        try client.say("guest-info")
      }
      try guest.connect(Port.guestAgent).sendAll("{\"execute\": \"guest-in")
    }
    #expect(try connectToGuestAgent().run("echo here").output == "here\n")
  }

  /// What is sent while no agent runs waits for the next one.
  @Test func guestAgentIsRestarted() throws {
    let client = try connectToGuestAgent()
    #expect(try client.run("echo before").output == "before\n")
    try agent.run("kill $(pidof qemu-ga)")
    try agent.wait(until: "! pidof qemu-ga", "the agent's end")
    try client.say("guest-ping")
    try startGuestAgent()
    try client.synchronize(4711)
    #expect(try client.run("echo after").output == "after\n")
  }
}
