import Glibc
import TestSupport
import Testing

/// The program as a process: status, both streams, and what is left in the directory.
@Suite
struct ProgramTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.makeFile("kernel")
    try directory.makeFile("empty", size: 0)
    try directory.makeFile("large", size: 4 << 20)
    try directory.makeFile("regular")
    try directory.makeDirectory("sub")
  }

  private static let long = String(repeating: "l", count: 300)

  /// Words whose mistake needs no KVM to be found, and what the line begins with.
  private static let mistakes: [([String], String)] = [
    ([], "no command given"),
    (["frobnicate"], "frobnicate:"),
    (["--frobnicate"], "--frobnicate:"),
    (["run", "--frobnicate"], "--frobnicate:"),
    (["run", "--kernel"], "--kernel:"),
    (["run", "--kernel", "missing"], "--kernel missing:"),
    (["run", "--kernel", "empty"], "--kernel empty:"),
    (["run", "--kernel", "sub"], "--kernel sub:"),
    (["run"], "SWIFTVM_GUEST_IMAGE /nonexistent:"),
    (["run", "--kernel", "kernel", "--initrd", "missing"], "--initrd missing:"),
    (["run", "--kernel", "kernel", "--initrd", "large", "--memory", "4M"], "--initrd large:"),
    (["run", "--kernel", "kernel", "--memory", "0"], "--memory 0:"),
    (["run", "--kernel", "kernel", "--memory", "2049K"], "--memory 2049K:"),
    (["run", "--kernel", "kernel", "--memory", "much"], "--memory much:"),
    (["run", "--kernel", "kernel", "--memory", "1073741824G"], "--memory 1073741824G:"),
    (["run", "--kernel", "kernel", "--memory", "99999999999G"], "--memory 99999999999G:"),
    (["run", "--kernel", "kernel", "--cpus", "0"], "--cpus 0:"),
    (["run", "--kernel", "kernel", "--cpus", "-1"], "--cpus -1:"),
    (["run", "--kernel", "kernel", "--serial", "telnet"], "--serial telnet:"),
    (["run", "--kernel", "kernel", "--serial", "file=none/log"], "--serial file=none/log:"),
    (["run", "--kernel", "kernel", "--serial", "file=kernel"], "--serial file=kernel:"),
  ]

  /// The same for ports, after a valid kernel.
  private static let portMistakes: [([String], String)] = [
    (["name=a"], "name=a: the backend is missing"),
    (["socket=s"], "socket=s:"),
    (["name=,socket=s"], "name=,socket=s:"),
    (["name=a,socket="], "name=a,socket=:"),
    (["nmae=a,socket=s"], "nmae=a,socket=s:"),
    (["name=a/b,socket=s"], "name=a/b:"),
    (["name=a\nb,socket=s"], "name=a\\nb:"),
    (["name=..,socket=s"], "name=..:"),
    (["name=\(long),socket=s"], "name=lll"),
    (["name=a,socket=s", "name=a,socket=t"], "name=a:"),
    (["name=a,socket=s", "name=b,socket=./s"], "socket=./s:"),
    (["name=a,socket=\(long)"], "socket=lll"),
    (["name=a,socket=none/s"], "socket=none/s:"),
    (["name=a,socket=regular"], "socket=regular:"),
    (["name=a,socket=sub"], "socket=sub:"),
    (["name=a,socket=s", "name=b,socket=none/s"], "socket=none/s:"),
    (["name=a,socket=s,nr=0"], "nr=0: Port number 0 on virtio-serial devices reserved"),
    (["name=a,socket=s,nr=1", "name=b,socket=t,nr=1"], "nr=1: A port already exists at id 1;"),
    (["name=a,socket=s,nr=32766"], "nr=32766: Out-of-range port id specified"),
    (["name=a,socket=s,id=x", "name=b,socket=t,id=x"], "id=x: Duplicate device ID 'x'"),
  ]

  /// Runs the words and checks all that holds for every mistake.
  private func expectRefusal(_ words: [[UInt8]], _ beginning: String) throws {
    let before = directory.entries
    let result = try RunningProgram(
      swiftvm: words, in: directory, environment: ["SWIFTVM_GUEST_IMAGE=/nonexistent"]
    ).result()
    #expect(result.status == 2)
    #expect(result.output == "")
    #expect(result.errorOutput.hasPrefix("swiftvm: " + beginning), "\(result.errorOutput)")
    #expect(result.errorOutput.utf8.last == UInt8(ascii: "\n"))
    #expect(result.errorOutput.utf8.count { $0 == UInt8(ascii: "\n") } == 1)
    #expect(directory.entries == before)
  }

  @Test(arguments: mistakes)
  func refusesInOneLine(words: [String], beginning: String) throws {
    try expectRefusal(bytes(words), beginning)
  }

  @Test(arguments: portMistakes)
  func refusesPortsInOneLine(ports: [String], beginning: String) throws {
    let options = ports.flatMap { ["--virtserialport", $0] }
    let separator = beginning.utf8.first == UInt8(ascii: ":") ? "" : " "
    try expectRefusal(
      bytes(["run", "--kernel", "kernel"] + options), "--virtserialport" + separator + beginning)
  }

  @Test("A port's mistake is told of the option that made the port")
  func namesTheOptionThatWasGiven() throws {
    let device = ["-chardev", "null,id=c", "-device", "virtserialport,name=a/b,chardev=c"]
    let kernel = ["run", "--kernel", "kernel"]
    try expectRefusal(bytes(kernel + device), "-device virtserialport name=a/b:")
    try expectRefusal(
      bytes(kernel + device + ["--virtconsole", "null"]), "--virtserialport name=a/b:")
  }

  @Test func refusesNamesThatAreNotUTF8() throws {
    let port = Array("name=a".utf8) + [0xff, 0xfe] + Array(",socket=s".utf8)
    try expectRefusal(
      bytes(["run", "--kernel", "kernel", "--virtserialport"]) + [port],
      "--virtserialport name=a\\xff\\xfe,socket=s: the value is not valid UTF-8;")
  }

  @Test func leavesARegularFileAlone() throws {
    try expectRefusal(
      bytes(["run", "--kernel", "kernel", "--virtserialport", "name=a,socket=large"]),
      "--virtserialport socket=large:")
    var status = stat()
    #expect(stat(directory["large"], &status) == 0)
    #expect(status.st_size == 4 << 20)
  }

  @Test func tellsItsVersion() throws {
    let result = try RunningProgram(swiftvm: ["--version"], in: directory).result()
    #expect(result.status == 0)
    #expect(result.output == "swiftvm 0.2.0\n")
    #expect(result.errorOutput == "")
  }

  @Test(arguments: [["--help"], ["help"], ["run", "--help"], ["help", "check"]])
  func helpsOnStandardOutput(words: [String]) throws {
    let result = try RunningProgram(swiftvm: bytes(words), in: directory).result()
    #expect(result.status == 0)
    #expect(result.output.contains("Exit status:\n"))
    #expect(result.errorOutput == "")
  }

  @Test func staysQuietWhenAsked() throws {
    let loud = try RunningProgram(swiftvm: ["check"], in: directory).result()
    let quiet = try RunningProgram(swiftvm: ["check", "--quiet"], in: directory).result()
    #expect(loud.output.contains("This host can"))
    #expect(quiet.output == "")
    #expect(quiet.errorOutput == "")
    #expect(loud.status == quiet.status)
    #expect([0, 1].contains(quiet.status))
  }
}
