import SwiftVM
import Testing

@testable import swiftvm_cli

@Suite
struct RunRequestTests {
  /// The request that these options make.
  private func request(_ words: [String]) throws -> RunRequest {
    guard case .run(let request) = try CommandParser.parse(bytes(["run"] + words)) else {
      throw NotARun()
    }
    return request
  }

  private struct NotARun: Error {}

  /// The request with all defaults but these.
  private static func with(_ change: (inout RunRequest) -> Void) -> RunRequest {
    var request = RunRequest()
    change(&request)
    return request
  }

  private static func port(_ name: String, _ path: String) -> RunRequest.Port {
    RunRequest.Port(
      configuration: VirtioConsolePortConfiguration(
        name: name, attachment: .unixSocketServer(path: path)))
  }

  @Test func hasDefaults() throws {
    let request = try request([])
    #expect(request.machine.bootLoader.kernelPath == "")
    #expect(request.machine.bootLoader.initialRamdiskPaths == [])
    #expect(request.machine.memorySize == 512 << 20)
    #expect(request.machine.cpuCount == 1)
    #expect(request.ports.isEmpty)
    #expect(request.devices.isEmpty)
    #expect(request.serialAttachment == .standardIO)
    #expect(request.machine.emergencyOutput == .automatic)
    #expect(request.machine.resetPolicy == .reboot)
    #expect(!request.printsStatistics)
    #expect(!request.printsTrace)
    #expect(!request.printsTimings)
    #expect(request.commandLine == "console=ttyS0")
  }

  @Test(arguments: [
    (["--kernel", "/k"], with { $0.machine.bootLoader.kernelPath = "/k" }),
    (["--kernel=/k=1"], with { $0.machine.bootLoader.kernelPath = "/k=1" }),
    (["--kernel", "-k"], with { $0.machine.bootLoader.kernelPath = "-k" }),
    (["--kernel", "--odd"], with { $0.machine.bootLoader.kernelPath = "--odd" }),
    (["--kernel=--memory"], with { $0.machine.bootLoader.kernelPath = "--memory" }),
    (["--initrd", "/i"], with { $0.machine.bootLoader.initialRamdiskPaths = ["/i"] }),
    (["--append", "a=b c"], with { $0.machine.bootLoader.commandLine = "a=b c" }),
    (["--append=a=b"], with { $0.machine.bootLoader.commandLine = "a=b" }),
    (["--append", "-- init"], with { $0.machine.bootLoader.commandLine = "-- init" }),
    (["--append", ""], RunRequest()),
    (["--append="], RunRequest()),
    (["--memory", "1G"], with { $0.machine.memorySize = 1 << 30 }),
    (["--memory=256"], with { $0.machine.memorySize = 256 << 20 }),
    (["--huge-pages", "off"], with { $0.machine.usesHugePages = false }),
    (["--huge-pages", "on"], RunRequest()),
    (["--memory=0"], with { $0.machine.memorySize = 0 }),
    (["--cpus", "8"], with { $0.machine.cpuCount = 8 }),
    (["--cpus=0"], with { $0.machine.cpuCount = 0 }),
    (["--serial", "none"], with { $0.serial = SerialPortAttachment.none }),
    (["--serial", "stdio"], with { $0.serial = .standardIO }),
    (["--serial", "file=/l"], with { $0.serial = .file(path: "/l") }),
    (["--serial=file=/l"], with { $0.serial = .file(path: "/l") }),
    (["--serial=file=/a,,b=c"], with { $0.serial = .file(path: "/a,b=c") }),
    (["--emergency", "serial"], with { $0.machine.emergencyOutput = .serialPort }),
    (["--emergency=file=/a,,b=c"], with { $0.machine.emergencyOutput = .file(path: "/a,b=c") }),
    (
      ["--emergency", "chardev=c", "-chardev", "pty,id=c"],
      with {
        $0.machine.emergencyOutput = .backend(
          ChardevConfiguration(id: "c", .pseudoTerminal(link: nil)))
      }
    ),
    (["--no-reboot"], with { $0.machine.resetPolicy = .exit }),
    (["--stats"], with { $0.printsStatistics = true }),
    (["--trace"], with { $0.printsTrace = true }),
    (["--timings"], with { $0.printsTimings = true }),
    (["--virtserialport", "name=n,socket=/s"], with { $0.ports = [port("n", "/s")] }),
    (["--virtserialport=socket=/s,name=n"], with { $0.ports = [port("n", "/s")] }),
    (["--virtserialport", "name=a,,b=c,socket=/s"], with { $0.ports = [port("a,b=c", "/s")] }),
    (["--virtserialport", "name=a,,,socket=/s,,"], with { $0.ports = [port("a,", "/s,")] }),
    (
      ["--virtserialport", "name=n,socket=/s", "--virtserialport=name=m,socket=/t"],
      with { $0.ports = [port("n", "/s"), port("m", "/t")] }
    ),
  ])
  func takesOptions(words: [String], expected: RunRequest) throws {
    #expect(try request(words) == expected)
  }

  /// The device that the value makes.
  private func device(_ value: String) throws -> RunRequest.Device {
    try #require(try request(["--virtio-serial", value]).devices.first)
  }

  private static func deviceWith(
    _ change: (inout VirtioConsoleDeviceConfiguration) -> Void
  ) -> RunRequest.Device {
    var configuration = VirtioConsoleDeviceConfiguration(ports: [])
    change(&configuration)
    return RunRequest.Device(configuration: configuration)
  }

  @Test(arguments: [
    ("id=vs0", deviceWith { $0.id = "vs0" }),
    ("transport=pci", deviceWith { _ in }),
    ("transport=mmio", deviceWith { $0.transport = .mmio }),
    ("disable-legacy=on", deviceWith { _ in }),
    ("disable-legacy=off", deviceWith { $0.transport = .pci(.transitional) }),
    ("disable-legacy=off,disable-modern=off", deviceWith { $0.transport = .pci(.transitional) }),
    ("disable-modern=on", deviceWith { $0.transport = .pci(.legacy) }),
    ("disable-modern=on,disable-legacy=off", deviceWith { $0.transport = .pci(.legacy) }),
    ("packed=on", deviceWith { $0.features.packedRing = true }),
    ("event-idx=off", deviceWith { $0.features.eventIndex = false }),
    ("indirect-desc=off", deviceWith { $0.features.indirectDescriptors = false }),
    ("queue-reset=off", deviceWith { $0.features.queueReset = false }),
    ("multiport=off", deviceWith { $0.features.multiport = false }),
    ("packed=off,event-idx=on,indirect-desc=on,queue-reset=on,multiport=on", deviceWith { _ in }),
    ("resize-order=legacy", deviceWith { $0.resizeOrder = .legacy }),
    ("resize-order=spec", deviceWith { _ in }),
    ("vectors=0", deviceWith { $0.vectorCount = 0 }),
    ("vectors=2,id=a", deviceWith { ($0.vectorCount, $0.id) = (2, "a") }),
    (
      "max-ports=64",
      RunRequest.Device(
        configuration: VirtioConsoleDeviceConfiguration(ports: []), maximumPortCount: 64)
    ),
  ])
  func takesDevices(value: String, expected: RunRequest.Device) throws {
    #expect(try device(value) == expected)
  }

  @Test func takesSeveralDevices() throws {
    let words = ["--virtio-serial", "id=a", "--virtio-serial=id=b"]
    #expect(try request(words).devices.map(\.configuration.id) == ["a", "b"])
  }

  private static func portWith(
    isConsole: Bool = false, _ change: (inout VirtioConsolePortConfiguration) -> Void
  ) -> VirtioConsolePortConfiguration {
    var port = VirtioConsolePortConfiguration(
      name: isConsole ? nil : "n", isConsole: isConsole, attachment: .unixSocketServer(path: "/s"))
    change(&port)
    return port
  }

  @Test(arguments: [
    ("id=p", portWith { $0.id = "p" }),
    ("nr=0", portWith { $0.number = 0 }),
    ("nr=32765", portWith { $0.number = 32765 }),
    ("on-host-close=keep", portWith { _ in }),
    ("on-host-close=discard", portWith { $0.policy.onHostClose = .discard }),
    ("early=hold", portWith { _ in }),
    ("early=drop", portWith { $0.policy.early = .drop }),
    ("on-guest-close=keep", portWith { _ in }),
    ("on-guest-close=shutdown", portWith { $0.policy.onGuestClose = .shutdown }),
    ("on-guest-close=close", portWith { $0.policy.onGuestClose = .close }),
    ("weight=64", portWith { $0.policy.weight = 64 }),
    ("gap=20", portWith { $0.policy.gapMilliseconds = 20 }),
    (
      "drain=300",
      portWith { ($0.policy.drainMilliseconds, $0.policy.onHostClose) = (300, .discard) }
    ),
    ("drain=0,on-host-close=keep", portWith { _ in }),
  ])
  func takesKeysOfPorts(key: String, expected: VirtioConsolePortConfiguration) throws {
    let ports = try request(["--virtserialport", "name=n,socket=/s,\(key)"]).ports
    #expect(ports == [RunRequest.Port(configuration: expected)])
  }

  @Test(arguments: [
    ("socket=/s", portWith(isConsole: true) { _ in }),
    ("stdio", portWith(isConsole: true) { $0.attachment = .standardIO }),
    ("file=/f", portWith(isConsole: true) { $0.attachment = .file(path: "/f") }),
    (
      "id=c,nr=3,name=n,stdio",
      portWith(isConsole: true) {
        ($0.id, $0.number, $0.name, $0.attachment) = ("c", 3, "n", .standardIO)
      }
    ),
    ("socket=/s,overflow=drop-newest", portWith(isConsole: true) { _ in }),
    ("socket=/s,weight=1", portWith(isConsole: true) { $0.policy.weight = 1 }),
    (
      "overflow=drop-oldest,socket=/s",
      portWith(isConsole: true) { $0.policy.overflow = .dropOldest }
    ),
  ])
  func takesConsoles(value: String, expected: VirtioConsolePortConfiguration) throws {
    let ports = try request(["--virtconsole", value]).ports
    #expect(ports == [RunRequest.Port(configuration: expected)])
  }

  @Test func takesTheBusOfPorts() throws {
    let words = ["--virtserialport", "name=n,socket=/s,bus=a.0", "--virtconsole", "stdio,bus=b.0"]
    #expect(try request(words).ports.map(\.bus) == ["a.0", "b.0"])
  }

  @Test(arguments: [
    ([], "console=ttyS0"),
    (["--append", "quiet"], "console=ttyS0 quiet"),
    (["--serial", "none"], ""),
    (["--serial", "none", "--append", "quiet"], "quiet"),
    (["--serial", "file=/l", "--append", "quiet"], "console=ttyS0 quiet"),
    (["--no-reboot"], "console=ttyS0 panic=-1"),
    (["--append", "panic=5", "--no-reboot"], "console=ttyS0 panic=-1 panic=5"),
    (["--virtconsole", "stdio"], "console=hvc0"),
    (["--virtconsole", "stdio", "--serial", "file=/l"], "console=ttyS0 console=hvc0"),
    (["--virtconsole", "stdio", "--serial", "none", "--append", "x"], "console=hvc0 x"),
    (["--virtconsole", "socket=/s"], "console=ttyS0"),
    (["--virtconsole", "socket=/s", "--virtconsole", "stdio"], "console=hvc1"),
    (["--virtconsole", "file=/l,nr=3", "--virtconsole", "stdio,nr=2"], "console=hvc0"),
    (
      [
        "--virtio-serial", "id=a", "--virtio-serial", "id=b", "--virtconsole", "stdio,bus=b.0",
        "--virtconsole", "file=/l,bus=a.0", "--virtconsole", "file=/m,bus=a.0",
      ], "console=hvc2"
    ),
    (["--virtserialport", "name=n,socket=/s", "--virtconsole", "stdio"], "console=hvc0"),
  ])
  func makesTheKernelCommandLine(words: [String], commandLine: String) throws {
    #expect(try request(words).commandLine == commandLine)
  }
}
