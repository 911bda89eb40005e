import SwiftVM
import Testing

@testable import swiftvm_cli

/// QEMU's words about the machine as a whole.
@Suite
struct QEMUMachineWordsTests {
  private func request(_ words: [String]) throws -> RunRequest {
    guard case .run(let request) = try CommandParser.parse(bytes(["run"] + words)) else {
      throw NotARun()
    }
    return request
  }

  private struct NotARun: Error {}

  @Test(
    arguments: [
      (["-m", "512"], 512), (["-m", "1G"], 1024), (["-m", "size=256M"], 256),
      (["-m", "size=1048576k"], 1024), (["-m", "64M,slots=0"], 64),
    ] as [([String], UInt64)])
  func takesMemory(words: [String], mebibytes: UInt64) throws {
    try #expect(request(words).machine.memorySize == mebibytes << 20)
  }

  @Test(arguments: [
    ("2", 2), ("cpus=2", 2), ("4,sockets=2,cores=2,threads=1", 4), ("2,maxcpus=2", 2),
    ("sockets=2,cores=3", 6), ("4,sockets=4", 4), ("2,sockets=2,dies=1,cores=1,threads=1", 2),
    ("4,cores=2", 4), ("4,sockets=2", 4), ("cores=3", 3), ("maxcpus=2", 2),
    ("4,maxcpus=4,cores=4", 4),
  ])
  func takesProcessors(value: String, count: Int) throws {
    try #expect(request(["-smp", value]).machine.cpuCount == count)
  }

  @Test(
    "What is given must come to the number of processors, as QEMU counts what is not",
    arguments: ["2,sockets=4", "3,sockets=2", "2,cores=4", "3,cores=2", "4,sockets=2,cores=1"])
  func refusesProcessorsThatDoNotAddUp(value: String) {
    #expect(
      refusal(bytes(["run", "-smp", value]))
        == "-smp \(value): product of the hierarchy must match maxcpus;"
        + " give sockets and cores that come to \(value.prefix(1))")
  }

  @Test(arguments: ["2,sockets=0", "2,cores=0", "2,threads=0", "2,maxcpus=0"])
  func refusesNoProcessors(value: String) {
    #expect(refusal(bytes(["run", "-smp", value]))?.contains("is 0; give at least 1") == true)
  }

  @Test(
    "Overflow is no way to a right product",
    arguments: ["sockets=4294967296,cores=4294967297", "1,sockets=9223372036854775807,cores=3"])
  func countsVeryManyProcessors(value: String) throws {
    if let request = try? request(["-smp", value]) { #expect(request.machine.cpuCount == .max) }
  }

  @Test func takesBoardDevices() throws {
    let request = try request([
      "-device", "pvpanic", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-action",
      "panic=exit-failure,reboot=shutdown",
    ])
    #expect(request.machine.hasPanicDevice)
    #expect(request.machine.debugExit == DebugExitConfiguration(firstPort: 0xf4, portCount: 4))
    #expect(request.machine.panicPolicy == .exit)
    try #expect(self.request(["-action", "panic=pause"]).machine.panicPolicy == .pause)
    try #expect(self.request(["-action", "panic=none"]) == RunRequest())
    #expect(request.machine.resetPolicy == .exit)
    try #expect(
      self.request(["-device", "isa-debug-exit"]).machine.debugExit == DebugExitConfiguration())
  }

  @Test(arguments: [("end", nil), ("powerdown", 60), ("powerdown,0", 0), ("powerdown,90", 90)])
  func takesWhatSIGTERMDoes(value: String, seconds: Int?) throws {
    try #expect(request(["--on-sigterm", value]).powerDownSeconds == seconds)
  }

  @Test func takesHowLongTheEndWaits() throws {
    try #expect(request([]).machine.lingerLimit == nil)
    try #expect(request(["--linger", "0"]).machine.lingerLimit == 0)
    try #expect(request(["--linger", "30"]).machine.lingerLimit == 30)
  }

  @Test func takesWhatTheSerialConsoleDrops() throws {
    try #expect(
      !request(["--serial", "file=/l,overflow=drop-newest"]).machine.serialPort.waitsForReader)
    let request = try request(["--serial", "file=/l,overflow=wait"])
    #expect(request.machine.serialPort.waitsForReader)
    #expect(request.serial == .file(path: "/l"))
  }

  @Test func takesStringsForTheGuest() throws {
    let request = try request([
      "-smbios", "type=11,value=io.systemd.credential:a=b,,c,value=second", "-smbios",
      "type=11,value=third",
    ])
    #expect(request.machine.oemStrings == ["io.systemd.credential:a=b,c", "second", "third"])
  }

  @Test(arguments: [
    ("type=1,product=x", "unknown key \"product\"; give type=11,value=TEXT"),
    (
      "type=1,value=x",
      "of SMBIOS, the OEM strings can be set, and nothing else; give type=11,value=TEXT"
    ),
    ("type=11", "the key \"value\" is missing; give type=11,value=TEXT"),
    ("type=11,value=", "the value of \"value\" is empty; give type=11,value=TEXT"),
    ("type=11,type=11,value=x", "the key \"type\" is given twice; give it once"),
  ])
  func refusesOtherTables(value: String, problem: String) {
    #expect(refusal(bytes(["run", "-smbios", value])) == "-smbios \(value): \(problem)")
  }

  @Test func takesNamesAndFiles() throws {
    let request = try request([
      "-name", "guest=vm1,debug-threads=on", "-pidfile", "/p", "-daemonize", "-qmp",
      "unix:/q,server,nowait", "-chardev", "socket,id=m,path=/m,server=on,wait=off", "-mon",
      "chardev=m,id=monitor,mode=control",
    ])
    #expect(request.machine.name == "vm1")
    #expect(request.pidFilePath == "/p")
    #expect(request.daemonizes)
    try #expect(self.request(["-S"]).machine.startsPaused)
    var monitor = ChardevConfiguration.unixSocketServer(path: "/m")
    monitor.id = "m"
    #expect(
      request.machine.controlSockets == [
        .unixSocketServer(path: "/q"), ControlSocketConfiguration(monitor),
      ])
    #expect(request.machine.characterDevices.isEmpty)
    #expect(request.serialAttachment == .none)
    try #expect(self.request(["--qmp", "/q", "--name", "vm1"]).machine.controlSockets.count == 1)
  }

  @Test("What clients of a control socket may do, and who may come")
  func takesTheRightsOfControlSockets() throws {
    func socket(_ words: String...) throws -> ControlSocketConfiguration? {
      try request(words).machine.controlSockets.first
    }
    var expected = ControlSocketConfiguration.unixSocketServer(path: "/q")
    expected.opensHost = false
    (expected.users, expected.groups) = ([0, 1000], [7])
    for value in ["/q", "unix:/q,server=on,wait=off"] {
      try #expect(
        socket("--qmp", value + ",host=off,allow-uid=0:1000,allow-gid=7") == expected)
    }
    try #expect(socket("--qmp", "/q,nohost")?.opensHost == false)
    try #expect(socket("--qmp", "/q,host")?.opensHost == true)
    try #expect(socket("--qmp", "host")?.socket == .unixSocketServer(path: "host"))
    let tcp = ChardevConfiguration(.socket(SocketConfiguration(.tcp(host: "localhost", port: 44))))
    try #expect(
      socket("-qmp", "tcp::44,server=on,wait=off,insecure=on")
        == ControlSocketConfiguration(tcp, isInsecure: true))
    let monitor = try socket(
      "-chardev", "socket,id=m,path=n,abstract=on,server=on,wait=off", "-mon",
      "chardev=m,mode=control,insecure=on,host=on,allow-uid=5")
    #expect(monitor?.isInsecure == true && monitor?.opensHost == true && monitor?.users == [5])
  }

  @Test(
    arguments: [
      ("stdio", .standardIO), ("mon:stdio", .standardIO), ("null", .none), ("none", .none),
      ("pty", ChardevConfiguration(.pseudoTerminal(link: nil))), ("file:/a,b", .file(path: "/a,b")),
      ("pipe:/p", ChardevConfiguration(.pipe(path: "/p"))),
      ("unix:/s,server,nowait", .unixSocketServer(path: "/s")),
      ("unix:/s,server=on,wait=off", .unixSocketServer(path: "/s")),
      (
        "tcp::4444,server=on,wait=off",
        ChardevConfiguration(
          .socket(SocketConfiguration(.tcp(host: "localhost", port: 4444))))
      ),
      (
        "udp:h:1@:2",
        ChardevConfiguration(
          .datagram(DatagramConfiguration(host: "h", port: 1, localPort: 2))
        )
      ),
    ] as [(String, ChardevConfiguration)])
  func takesSerialWords(value: String, end: ChardevConfiguration) throws {
    try #expect(request(["-serial", value]).serialAttachment == end)
  }

  @Test func leavesTheSerialLineAloneWithoutDefaults() throws {
    try #expect(request(["-nodefaults"]).serialAttachment == .none)
    try #expect(request(["-nodefaults", "-serial", "stdio"]).serialAttachment == .standardIO)
    try #expect(
      request(["-chardev", "stdio,id=c", "-device", "virtconsole,chardev=c"]).serialAttachment
        == .none)
  }
}
