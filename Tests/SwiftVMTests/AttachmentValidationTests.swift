import SwiftVM
import TestSupport
import Testing

@Suite
struct AttachmentValidationTests {
  /// The problem of a machine whose only port has this socket, DIR standing for the directory.
  private func problem(
    socket: String, _ prepare: (TemporaryDirectory) throws -> Void = { _ in }
  ) throws -> String? {
    var fixture = try ConfigurationFixture()
    try prepare(fixture.directory)
    let path = socket.replacing("DIR", with: fixture.directory.path)
    fixture.configuration.consoleDevices[0].ports[0].attachment = .unixSocketServer(path: path)
    return fixture.problem()
  }

  private func problem(
    serialFile: String, _ prepare: (TemporaryDirectory) throws -> Void = { _ in }
  ) throws -> String? {
    var fixture = try ConfigurationFixture()
    try prepare(fixture.directory)
    let path = serialFile.replacing("DIR", with: fixture.directory.path)
    fixture.configuration.serialPort.attachment = .file(path: path)
    return fixture.problem()
  }

  @Test(arguments: [
    ("", ": the path is empty; give socket=PATH"),
    ("DIR/a\0", "DIR/a\\x00: the path holds a NUL byte; give socket=PATH"),
    ("DIR/", "DIR/: the path is a directory's; add a file name to it"),
    ("DIR/.", "DIR/.: the path is a directory's; add a file name to it"),
    (
      "DIR/none/port",
      "DIR/none/port: the directory \"DIR/none\" does not exist;"
        + " make the directory, or choose another path"
    ),
    ("DIR/kernel/port", "DIR/kernel/port: \"DIR/kernel\" is not a directory; choose another path"),
    (
      "DIR/kernel",
      "DIR/kernel: the path exists and is a regular file;"
        + " choose another path, or remove what is there"
    ),
  ])
  func refusesSocketPaths(path: String, problem: String) throws {
    let line = "--virtserialport socket=" + problem
    #expect(try self.problem(socket: path) == line)
  }

  @Test func leavesWhatIsNoSocketAlone() throws {
    let remedy = "choose another path, or remove what is there"
    for (kind, make) in [
      ("a directory", { _ = try $0.makeDirectory("x") }),
      ("a symbolic link", { _ = try $0.makeLink("x", to: "nowhere") }),
      ("a pipe", { _ = try $0.makePipe("x") }),
    ] as [(String, (TemporaryDirectory) throws -> Void)] {
      #expect(
        try problem(socket: "DIR/x", make)
          == "--virtserialport socket=DIR/x: the path exists and is \(kind); \(remedy)")
    }
  }

  @Test func leavesSocketsToWhoOpensThem() throws {
    #expect(try problem(socket: "DIR/x") { try $0.makeSocket("x") } == nil)
  }

  @Test(arguments: [(107, true), (108, false), (4000, false)])
  func boundsSocketPaths(length: Int, isValid: Bool) throws {
    var fixture = try ConfigurationFixture()
    let name = String(repeating: "s", count: length - fixture.directory.path.utf8.count - 1)
    fixture.configuration.consoleDevices[0].ports[0].attachment =
      .unixSocketServer(path: fixture.directory[name])
    let problem = fixture.problem()
    if isValid {
      #expect(problem == nil)
    } else {
      let expected = "the path has \(length) bytes, and a socket's at most 107"
      #expect(try #require(problem).hasSuffix(": \(expected); choose a shorter path"))
    }
  }

  @Test(arguments: ["DIR/port0", "DIR//port0", "DIR/./port0", "DIR/sub/../port0"])
  func findsAPathUsedTwice(spelling: String) throws {
    var fixture = try ConfigurationFixture()
    try fixture.directory.makeDirectory("sub")
    let path = spelling.replacing("DIR", with: fixture.directory.path)
    fixture.configuration.consoleDevices[0].ports.append(
      VirtioConsolePortConfiguration(name: "second", attachment: .unixSocketServer(path: path)))
    #expect(
      fixture.problem()
        == "--virtserialport socket=\(spelling): this path is in use already;"
        + " give every port a path of its own")
  }

  @Test func findsAFileThatIsASocketToo() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.serialPort.attachment = .file(path: fixture.directory["port0"])
    #expect(
      fixture.problem()
        == "--virtserialport socket=DIR/port0: this path is in use already;"
        + " give every port a path of its own")
  }

  @Test func givesStandardInputToOneOnly() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.consoleDevices[0].ports[0].attachment = .standardIO
    #expect(
      fixture.problem()
        == "--virtserialport stdio: standard input and output are in use already;"
        + " connect one thing only to stdio")
    fixture.configuration.serialPort.attachment = .none
    #expect(fixture.problem() == nil)
  }

  @Test func givesEmergencyWritesAFileOfTheirOwn() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.emergencyOutput = .file(path: fixture.directory["kernel"])
    #expect(
      fixture.problem()
        == "--emergency file=DIR/kernel: this file is the kernel;"
        + " choose another file for the output")
    fixture.configuration.emergencyOutput = .file(path: fixture.directory["port0"])
    #expect(
      fixture.problem()
        == "--emergency file=DIR/port0: this path is in use already;"
        + " give every port a path of its own")
    fixture.configuration.emergencyOutput = .file(path: fixture.directory["emergency"])
    #expect(fixture.problem() == nil)
    fixture.configuration.emergencyOutput = .backend(.standardIO)
    #expect(
      fixture.problem()
        == "--emergency stdio: standard input and output are in use already;"
        + " connect one thing only to stdio")
  }

  @Test func sendsEmergencyWritesToASerialConsoleThatIsThere() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.emergencyOutput = .serialPort
    #expect(fixture.problem() == nil)
    fixture.configuration.serialPort.attachment = .none
    #expect(
      fixture.problem()
        == "--emergency serial: there is no serial console;"
        + " give --emergency file=PATH, or a --serial that is not none")
    fixture.configuration.emergencyOutput = .automatic
    #expect(fixture.problem() == nil)
  }

  @Test(
    arguments: [
      ("DIR/new", nil),
      ("DIR/old", nil),
      ("DIR/link", nil),
      ("/dev/null", nil),
      ("DIR/kernel", "DIR/kernel: this file is the kernel; choose another file for the output"),
      (
        "DIR/./initrd", "DIR/./initrd: this file is the initrd; choose another file for the output"
      ),
      ("DIR/sub", "DIR/sub: the path exists and is a directory; choose another path"),
      ("DIR/socket", "DIR/socket: the path exists and is a socket; choose another path"),
      (
        "DIR/none/log",
        "DIR/none/log: the directory \"DIR/none\" does not exist;"
          + " make the directory, or choose another path"
      ),
      ("", ": the path is empty; give file=PATH"),
    ] as [(String, String?)])
  func checksFiles(path: String, problem: String?) throws {
    let found = try self.problem(serialFile: path) { directory in
      try directory.makeFile("old")
      try directory.makeLink("link", to: "old")
      try directory.makeDirectory("sub")
      try directory.makeSocket("socket")
    }
    #expect(found == problem.map { "--serial file=" + $0 })
  }

  // In a process of its own, which gives up root's right to write everywhere.
  @Test func needsPermissionToWrite() async {
    await #expect(processExitsWith: .success) {
      becomeOrdinaryUser()
      var fixture = try ConfigurationFixture()
      let file = try fixture.directory.makeFile("old", mode: 0o444)
      fixture.configuration.serialPort.attachment = .file(path: file)
      #expect(
        fixture.problem()
          == "--serial file=DIR/old: no permission to write the file; choose another path")
      fixture.configuration.serialPort.attachment = .file(path: "/new")
      #expect(
        fixture.problem()
          == "--serial file=/new: no permission to write in the directory \"/\";"
          + " choose another path")
      fixture.configuration.serialPort.attachment = .none
      fixture.configuration.consoleDevices[0].ports[0].attachment =
        .unixSocketServer(path: "/new")
      #expect(
        fixture.problem()
          == "--virtserialport socket=/new: no permission to write in the directory \"/\";"
          + " choose another path")
    }
  }
}
