import Chardev
import SwiftVM
import Testing

@testable import Control
@testable import swiftvm_cli

/// A row that is added to a copy of a table is known wherever the table is gone by.
@Suite
struct TableRowTests {
  private static let table: swiftvm_cli.CommandTable = {
    var table = swiftvm_cli.CommandTable.standard
    table.keys.keys.append(
      BackendKey(
        "patience", .number, "MINUTES",
        for: BackendKey.Purpose([.tcpConnector], "connecting TCP sockets"),
        "how long a made-up peer is waited for", standard: "7"
      ) { value, draft in
        if case .number(let minutes) = value { draft.socket?.keepaliveSeconds = minutes * 60 }
      })
    table.keys.types.append(
      BackendType("whistle", keys: [.init("tune", .text, .data("melody"))]) {
        .program(command: $0.text("tune") ?? "")
      })
    table.commands.append(
      Verb.verb("whistle", does: "x-whistle", summary: "whistle", explanation: "Whistles."))
    return table
  }()

  private static let connector = SocketConfiguration(
    .tcp(host: "h", port: 80), role: .connecting(), keepaliveSeconds: 120)

  private func request(_ words: String...) throws -> RunRequest {
    guard case .run(let request) = try CommandParser.parse(bytes(["run"] + words), Self.table)
    else { throw NoRequest() }
    return request
  }

  private struct NoRequest: Error {}

  private func refusal(_ words: String...) -> String? {
    do throws(UsageError) {
      _ = try CommandParser.parse(bytes(words), Self.table)
      return nil
    } catch {
      return error.description
    }
  }

  @Test func keyIsReadByTheCommandLine() throws {
    let port = try request("--virtserialport", "name=n,tcp-connect=h:80,patience=2").ports.first
    #expect(port?.configuration.attachment.backend == .socket(Self.connector))
    let console = try request("--virtconsole", "tcp-connect=h:80,patience=2").ports.first
    #expect(console?.configuration.attachment.backend == .socket(Self.connector))
    let serial = try request("--serial", "tcp-connect=h:80,patience=2").serial
    #expect(serial?.backend == .socket(Self.connector))
    let chardev = try request("-chardev", "socket,host=h,port=80,patience=2,id=c")
    #expect(chardev.machine.characterDevices.first?.backend == .socket(Self.connector))
    #expect(
      try request("-serial", "tcp:h:80,patience=2").serial?.backend == .socket(Self.connector))
  }

  @Test func keyIsRefusedWhereItDoesNotFit() {
    #expect(
      refusal("run", "--serial", "socket=/s,patience=2")
        == "--serial socket=/s,patience=2: \"patience\" is for connecting TCP sockets; leave it out"
    )
    #expect(
      refusal("run", "--serial", "tcp-connect=h:80,patience=x")
        == "--serial tcp-connect=h:80,patience=x: the value of \"patience\" is not a whole number;"
        + " give e.g. patience=1")
    #expect(
      refusal("run", "--serial", "tcp-connect=h:80,patiense=1")?
        .contains("did you mean \"patience\"?") == true)
  }

  private func backend(
    _ data: String, _ keys: BackendKeys
  ) throws -> ChardevConfiguration.Backend {
    let json = try JSONParser.parse(
      Array(#"{"type":"socket","data":{"server":false,\#(data)}}"#.utf8))
    var arguments = Arguments(try #require(json.members))
    var reader = ChardevReader(id: "c", descriptors: DescriptorStore(), keys: keys)
    return try reader.configuration(&arguments).backend
  }

  @Test func keyIsAnArgumentOfQMP() throws {
    let tcp = #""addr":{"type":"inet","data":{"host":"h","port":"80"}},"x-swiftvm-patience":2"#
    #expect(try backend(tcp, Self.table.keys) == .socket(Self.connector))
    #expect(throws: QMPError("Parameter 'data.x-swiftvm-patience' is unexpected")) {
      try backend(tcp, .standard)
    }
    let unix = #""addr":{"type":"unix","data":{"path":"/s"}},"x-swiftvm-patience":2"#
    #expect(throws: QMPError("\"x-swiftvm-patience\" is for connecting TCP sockets")) {
      try backend(unix, Self.table.keys)
    }
  }

  @Test("A type of backend in QEMU's words, and its key, are one row")
  func typeIsKnownEverywhere() throws {
    let whistle = try request("-chardev", "whistle,tune=a,,b,id=c").machine.characterDevices
    #expect(whistle == [ChardevConfiguration(id: "c", .program(command: "a,b"))])
    #expect(
      refusal("run", "-chardev", "whistle,tone=a,id=c")?.hasSuffix("did you mean \"tune\"?") == true
    )
    #expect(
      refusal("run", "-chardev", "wistle,id=c")?.hasSuffix("did you mean whistle?") == true)
    let json = try JSONParser.parse(Array(#"{"type":"whistle","data":{"melody":"a"}}"#.utf8))
    var arguments = Arguments(try #require(json.members))
    var reader = ChardevReader(
      id: "c", descriptors: DescriptorStore(), keys: Self.table.keys)
    #expect(try reader.configuration(&arguments).backend == .program(command: "a"))
    #expect(Self.table.keys.summary(in: .chardev).contains(", whistle (tune); "))
    #expect(ManualPage.text(Self.table).contains("whistle (melody)"))
    for shell in ShellCompletion.allCases {
      #expect(shell.script(Self.table).contains(" tune="))
    }
  }

  @Test func keyIsExplained() {
    let help = HelpText.text(for: swiftvm_cli.CommandTable.run, Self.table)
    #expect(
      help.contains(
        "\n  patience=MINUTES\n        For connecting TCP sockets: how long a made-up peer is waited"
          + " for."), "\(help)")
    #expect(
      ManualPage.text(Self.table).contains(
        "\n.B patience=MINUTES\nFor connecting TCP sockets: how long a made\\-up peer is waited for."
      ))
    #expect(ManualPage.text(Self.table).contains(", x\\-swiftvm\\-patience"))
  }

  @Test(arguments: ShellCompletion.allCases)
  func keyIsCompleted(shell: ShellCompletion) {
    #expect(shell.script(Self.table).contains(" patience="))
    #expect(shell.script(Self.table).contains(" x-swiftvm-patience=") == false)
    #expect(!shell.script().contains(" patience="))
  }

  @Test func verbIsKnownEverywhere() throws {
    guard case .control(let request) = try CommandParser.parse(bytes(["whistle"]), Self.table)
    else {
      throw NoRequest()
    }
    #expect(request.verb.name == "whistle")
    #expect(refusal("whistel") == "whistel: unknown command; did you mean swiftvm whistle?")
    #expect(HelpText.text(for: nil, Self.table).contains("\n  swiftvm whistle [OPTIONS]"))
    #expect(ManualPage.text(Self.table).contains("\n.SS swiftvm whistle [OPTIONS]\nWhistles.\n"))
    for shell in ShellCompletion.allCases {
      #expect(shell.script(Self.table).contains("whistle"))
    }
  }
}
