import TestSupport
import Testing

/// What a client of a control socket meets is what it was when it was last changed on purpose: each
/// command, the arguments it wants, its error for one it does not know.
@Suite(MicroVM.requirement)
struct GoldenControlTests {
  /// They end or stop the machine when they have no arguments.
  private static let ending: Set = ["quit", "system_reset", "system_powerdown", "stop", "cont"]

  @Test func commandsAndTheirArguments() throws {
    let machine = try MicroVM(
      "run=console mode=msix port=a wait=host send=boot echo=2 end=asked",
      options: ["--virtserialport", "name=b,ringbuf=4K,id=pb", "--qmp", "qmp"])
    let client = try QMPClient(machine.directory["qmp"])
    // From here on the machine stands still: the guest waits for a client of its port.
    #expect(client.ask("x-swiftvm-wait-open", #"{"port": "a", "timeout": 20}"#) == "{}")
    let list = try #require(client.ask("query-commands"))
    let names = list.split(separator: "\"").map(String.init).filter {
      $0 != "name" && $0.contains { $0.isLetter }
    }
    #expect(names.count > 20)
    var transcript = ""
    func record(_ name: String, _ arguments: String) -> String {
      let answer = client.ask(name, arguments) ?? "no answer"
      // Numbers of threads differ from run to run.
      let stable = answer.replacing(/[0-9]{3,}/, with: "N")
      transcript += "\(name) \(arguments)\n  \(stable)\n"
      return answer
    }
    for name in names {
      var keys: [String] = []
      if !Self.ending.contains(name) {
        while let missing = record(name, Self.object(keys)).between("Parameter '", "' is missing") {
          keys.append(missing)
        }
      }
      _ = record(name, Self.object(keys + ["zzz"]))
    }
    #expect(try Golden.difference(transcript, from: "qmp.txt") == [])
  }

  private static func object(_ keys: [String]) -> String {
    "{" + keys.map { "\"\($0)\": \"x\"" }.joined(separator: ", ") + "}"
  }
}
