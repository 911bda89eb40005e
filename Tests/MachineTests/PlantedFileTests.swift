import Glibc
import TestSupport
import Testing

/// Files that another user has put where the machine writes.
@Suite(MicroVM.requirement)
struct PlantedFileTests {
  private static let content = "root:x:0:0\n"
  /// Every option that writes to a file of the name "out".
  static let options = [
    ["--pidfile", "out"], ["--serial", "file=out"], ["--serial", "file=out,append"],
    ["--serial", "null,log=out"], ["--serial", "null,log=out,log-append"],
    ["--virtserialport", "name=b,file=out"],
    ["--virtserialport", "name=b,file=out,rotate-size=4096"],
    ["--virtconsole", "null,log=out,log-annotate"], ["--emergency", "file=out"],
    ["-serial", "file:out"], ["--preset", "anaconda-log,file=out"],
    ["-chardev", "file,id=c,path=out"], ["-chardev", "null,id=c,logfile=out"],
  ]

  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.makeFile("victim", bytes: Array(Self.content.utf8))
  }

  private func expectRefusal(_ options: [String], _ words: String) throws {
    let before = directory.entries
    let machine = try MicroVM("run=hello", options: options, in: directory)
    #expect(machine.status() == 2)
    let lines = machine.process.errorOutput.split(separator: "\n")
    #expect(lines.count == 1)
    #expect(lines.first?.contains(words) == true, "\(machine.process.errorOutput)")
    #expect(directory.text(of: "victim") == Self.content)
    #expect(directory.entries == before)
  }

  @Test(
    "Neither a link's target nor another name's file is made, emptied or written",
    arguments: options)
  func isNotLed(options: [String]) throws {
    try directory.makeLink("out", to: "victim")
    try expectRefusal(options, "it is a symbolic link, which is not followed")
    unlink(directory["out"])
    try directory.makeLink("out", to: "nothing")
    try expectRefusal(options, "it is a symbolic link, which is not followed")
    unlink(directory["out"])
    #expect(link(directory["victim"], directory["out"]) == 0)
    try expectRefusal(options, "the file has another name")
  }

  @Test("FIFOs are found by their own names only")
  func pipesAreNotLinks() throws {
    try directory.makePipe("pipe")
    try directory.makeLink("out", to: "pipe")
    try expectRefusal(["--serial", "pipe=out"], "it is a symbolic link, which is not followed")
  }

  @Test(
    "What programs write to besides files stays open to them",
    arguments: ["/dev/null", "/dev/full", "/dev/stderr", "/dev/fd/2", "pipe", "own"])
  func servesHonestPaths(path: String) throws {
    try directory.makePipe("pipe")
    let reader = open(directory["pipe"], O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    defer { close(reader) }
    try directory.makeFile("own", bytes: Array("before\n".utf8))
    let machine = try MicroVM(
      "run=hello", options: ["--serial", "file=\(path),append"], in: directory)
    #expect(machine.status() == 0)
    switch path {
    case "/dev/stderr", "/dev/fd/2": #expect(machine.process.errorOutput.hasPrefix("hello"))
    case "pipe":
      var bytes = [UInt8](repeating: 0, count: 5)
      #expect(read(reader, &bytes, 5) == 5)
      #expect(bytes == Array("hello".utf8))
    case "own": #expect(directory.text(of: "own").hasPrefix("before\nhello"))
    default: break
    }
  }

  @Test("What comes from other programs on standard error is not emptied")
  func keepsStandardError() throws {
    let path = try directory.makeFile("errors", bytes: Array("before\n".utf8))
    let file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    defer { close(file) }
    let machine = try MicroVM(
      "run=hello", options: ["--serial", "file=/dev/stderr"], in: directory, standardError: file)
    #expect(machine.status() == 0)
    #expect(directory.text(of: "errors").hasPrefix("before\nhello"))
  }

  @Test("A reader's lock does not keep a machine from starting")
  func startsBesideReaders() throws {
    try directory.makeFile("pid", bytes: Array("4194305\n".utf8))
    let reader = open(directory["pid"], O_RDONLY | O_CLOEXEC)
    defer { close(reader) }
    #expect(flock(reader, LOCK_EX | LOCK_NB) == 0)
    let machine = try MicroVM("run=hello", options: ["--pidfile", "pid"], in: directory)
    #expect(machine.status() == 0)
    #expect(machine.process.errorOutput == "")
    #expect(directory.entries == ["victim"])
  }
}
