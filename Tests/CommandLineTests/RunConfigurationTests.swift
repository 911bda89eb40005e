import SwiftVM
import TestSupport
import Testing

@testable import swiftvm_cli

/// From the words to the validated configuration.
@Suite
struct RunConfigurationTests {
  private let directory: TemporaryDirectory
  private let image: GuestImage

  init() throws {
    directory = try TemporaryDirectory()
    image = GuestImage(
      kernelPath: try directory.makeFile("image-kernel"),
      initialRamdiskPath: try directory.makeFile("image-initrd"))
    try directory.makeFile("kernel")
    try directory.makeFile("initrd")
  }

  /// The configuration made of these options, DIR standing for the directory.
  private func configuration(_ words: [String]) throws -> VirtualMachineConfiguration {
    let words = words.map { $0.replacing("DIR", with: directory.path) }
    guard case .run(let request) = try CommandParser.parse(bytes(["run"] + words)) else {
      throw NotARun()
    }
    return try request.configuration { image }
  }

  private struct NotARun: Error {}

  @Test func bootsTheGuestImage() throws {
    let loader = try configuration([]).bootLoader
    #expect(loader.kernelPath == image.kernelPath)
    #expect(loader.initialRamdiskPaths == [image.initialRamdiskPath])
    #expect(loader.commandLine == "console=ttyS0")
  }

  @Test func bootsAKernelWithoutInitrd() throws {
    let loader = try configuration(["--kernel", "DIR/kernel"]).bootLoader
    #expect(loader.kernelPath == directory["kernel"])
    #expect(loader.initialRamdiskPaths == [])
  }

  @Test func bootsTheGuestImageWithOtherInitrds() throws {
    let loader = try configuration(["--initrd", "DIR/initrd", "--initrd=DIR/kernel"]).bootLoader
    #expect(loader.kernelPath == image.kernelPath)
    #expect(loader.initialRamdiskPaths == [directory["initrd"], directory["kernel"]])
  }

  @Test func carriesEverythingOver() throws {
    let configuration = try configuration([
      "--kernel=DIR/kernel", "--initrd=DIR/initrd", "--append", "quiet", "--memory=64M",
      "--cpus=2", "--serial=file=DIR/log", "--no-reboot", "--emergency=file=DIR/emergency",
      "--virtserialport=name=a,socket=DIR/a", "--virtserialport=name=b,socket=DIR/b",
    ])
    #expect(
      configuration
        == VirtualMachineConfiguration(
          bootLoader: LinuxBootLoader(
            kernelPath: directory["kernel"], commandLine: "console=ttyS0 panic=-1 quiet",
            initialRamdiskPaths: [directory["initrd"]]),
          cpuCount: 2,
          memorySize: 64 << 20,
          consoleDevices: [
            VirtioConsoleDeviceConfiguration(ports: [
              VirtioConsolePortConfiguration(
                name: "a", attachment: .unixSocketServer(path: directory["a"])),
              VirtioConsolePortConfiguration(
                name: "b", attachment: .unixSocketServer(path: directory["b"])),
            ])
          ],
          serialPort: SerialPortConfiguration(attachment: .file(path: directory["log"])),
          emergencyOutput: .file(path: directory["emergency"]),
          resetPolicy: .exit))
  }

  @Test func hasNoDeviceWithoutPorts() throws {
    #expect(try configuration([]).consoleDevices.isEmpty)
  }

  @Test func makesRoomForThePorts() throws {
    let ports = (1...40).map { "--virtserialport=name=p\($0),socket=DIR/p\($0)" }
    for (count, room) in [(1, 31), (30, 31), (31, 32), (40, 41)] {
      let device = try configuration(Array(ports.prefix(count))).consoleDevices.first
      #expect(device?.ports.count == count)
      #expect(device?.maximumPortCount == room)
    }
    let numbered = ["--virtserialport=name=p,socket=DIR/p,nr=32765"]
    #expect(try configuration(numbered).consoleDevices.first?.maximumPortCount == 32766)
    let few = ["--virtio-serial", "max-ports=3"] + ports.prefix(2)
    #expect(try configuration(few).consoleDevices.first?.maximumPortCount == 3)
  }

  @Test func takesAsManyPortsAsADeviceHas() throws {
    var request = RunRequest()
    request.ports = (1...32766).map { number in
      RunRequest.Port(
        configuration: VirtioConsolePortConfiguration(
          name: "p\(number)", isConsole: number == 1, attachment: .none))
    }
    let device = try request.configuration { image }.consoleDevices.first
    #expect(device?.maximumPortCount == 32766)
    #expect(try device?.portNumbers.last == 32765)
    request.ports[0].configuration.isConsole = false
    let error = #expect(throws: UsageError.self) {
      try request.configuration { image }
    }
    #expect(
      error?.description
        == "--virtserialport: Maximum port limit for this device reached;"
        + " leave some ports out, or give the device more max-ports")
  }

  @Test func givesPortsToTheirDevices() throws {
    let devices = try configuration([
      "--virtserialport=name=b,socket=DIR/b,bus=vs1.0", "--virtio-serial=id=vs0",
      "--virtconsole=file=DIR/c,bus=vs1.0", "--virtio-serial=id=vs1,transport=mmio",
      "--virtserialport=name=a,socket=DIR/a", "--virtserialport=name=d,socket=DIR/d,bus=vs0.0",
    ]).consoleDevices
    #expect(devices.map(\.id) == ["vs0", "vs1"])
    #expect(devices.map(\.transport) == [.pci(.modern), .mmio])
    #expect(devices.map { $0.ports.map(\.name) } == [["a", "d"], ["b", nil]])
    #expect(try devices.map { try $0.portNumbers } == [[1, 2], [1, 0]])
  }

  @Test(arguments: [
    (
      ["--virtserialport=name=a,socket=DIR/a,bus=vs0.0"],
      "--virtserialport bus=vs0.0: Bus 'vs0.0' not found;"
        + " give the id of a --virtio-serial with .0 after it, e.g. bus=vs0.0"
    ),
    (
      ["--virtio-serial=id=vs0", "--virtconsole=stdio,bus=vs0"],
      "--virtconsole bus=vs0: Bus 'vs0' not found; did you mean bus=vs0.0?"
    ),
    (
      ["--virtio-serial=id=vs0,max-ports=4", "--virtserialport=name=a,socket=DIR/a,nr=4"],
      "--virtserialport nr=4: Out-of-range port id specified, max. allowed: 3;"
        + " give a number below 4, or the device max-ports=5"
    ),
    (
      ["--serial=stdio", "--virtconsole=stdio"],
      "--virtconsole stdio: standard input and output are in use already;"
        + " connect one thing only to stdio"
    ),
    (
      ["--virtconsole=stdio", "--virtconsole=stdio"],
      "--virtconsole stdio: standard input and output are in use already;"
        + " connect one thing only to stdio"
    ),
    (
      ["--serial=none", "--emergency=serial"],
      "--emergency serial: there is no serial console;"
        + " give --emergency file=PATH, or a --serial that is not none"
    ),
  ])
  func refusesWhatDoesNotFit(words: [String], line: String) {
    let error = #expect(throws: UsageError.self) { try configuration(words) }
    #expect(error?.description == line)
  }

  @Test func leavesStandardInputToTheConsole() throws {
    let configuration = try configuration(["--virtconsole=stdio"])
    #expect(configuration.serialPort.attachment == .none)
    #expect(configuration.consoleDevices.first?.ports.first?.attachment == .standardIO)
  }

  @Test func tellsTheUsersMistakeBeforeAMissingImage() throws {
    guard case .run(let request) = try CommandParser.parse(bytes(["run", "--cpus", "0"])) else {
      throw NotARun()
    }
    let error = #expect(throws: UsageError.self) {
      try request.configuration { () throws(ConfigurationError) in
        throw ConfigurationError(.missing, at: .root.bootLoader.kernelPath, "no image")
      }
    }
    #expect(error?.option == "--cpus")
  }

  @Test func tellsAMissingImage() throws {
    let missing = ConfigurationError(.missing, at: .root.bootLoader.kernelPath, "no image")
    #expect(throws: UsageError("--kernel", "", "no image", "")) {
      try RunRequest().configuration { () throws(ConfigurationError) in throw missing }
    }
  }
}
