import SwiftVM
import Testing
import swiftvm_cli

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
    #expect(loader.initialRamdiskPath == image.initialRamdiskPath)
    #expect(loader.commandLine == "console=ttyS0")
  }

  @Test func bootsAKernelWithoutInitrd() throws {
    let loader = try configuration(["--kernel", "DIR/kernel"]).bootLoader
    #expect(loader.kernelPath == directory["kernel"])
    #expect(loader.initialRamdiskPath == nil)
  }

  @Test func bootsTheGuestImageWithAnotherInitrd() throws {
    let loader = try configuration(["--initrd", "DIR/initrd"]).bootLoader
    #expect(loader.kernelPath == image.kernelPath)
    #expect(loader.initialRamdiskPath == directory["initrd"])
  }

  @Test func carriesEverythingOver() throws {
    let configuration = try configuration([
      "--kernel=DIR/kernel", "--initrd=DIR/initrd", "--append", "quiet", "--memory=64M",
      "--cpus=2", "--serial=file=DIR/log", "--no-reboot",
      "--virtserialport=name=a,socket=DIR/a", "--virtserialport=name=b,socket=DIR/b",
    ])
    #expect(
      configuration
        == VirtualMachineConfiguration(
          bootLoader: LinuxBootLoader(
            kernelPath: directory["kernel"], commandLine: "console=ttyS0 panic=-1 quiet",
            initialRamdiskPath: directory["initrd"]),
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
          resetPolicy: .exit))
  }

  @Test func hasNoDeviceWithoutPorts() throws {
    #expect(try configuration([]).consoleDevices.isEmpty)
  }

  @Test func takesAsManyPortsAsADeviceHas() throws {
    let ports = (1...511).map { "--virtserialport=name=p\($0),socket=DIR/p\($0)" }
    for (count, room) in [(1, 31), (30, 31), (31, 32), (510, 511)] {
      let device = try configuration(Array(ports.prefix(count))).consoleDevices.first
      #expect(device?.ports.count == count)
      #expect(device?.maximumPortCount == room)
    }
    let error = #expect(throws: ConfigurationError.self) { try configuration(ports) }
    #expect(
      error?.description
        == "--virtserialport: 511 ports are more than the 510 of a device; leave some out")
  }

  @Test func tellsTheUsersMistakeBeforeAMissingImage() throws {
    guard case .run(let request) = try CommandParser.parse(bytes(["run", "--cpus", "0"])) else {
      throw NotARun()
    }
    let error = #expect(throws: ConfigurationError.self) {
      try request.configuration { () throws(ConfigurationError) in
        throw ConfigurationError(option: "--kernel", problem: "no image", remedy: "")
      }
    }
    #expect(error?.option == "--cpus")
  }

  @Test func tellsAMissingImage() throws {
    let missing = ConfigurationError(option: "--kernel", problem: "no image", remedy: "")
    #expect(throws: missing) {
      try RunRequest().configuration { () throws(ConfigurationError) in throw missing }
    }
  }
}
