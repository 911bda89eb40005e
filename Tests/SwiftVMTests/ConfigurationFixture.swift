import SwiftVM
import TestSupport
import Testing

@testable import swiftvm_cli

/// A valid configuration whose files exist, to be spoilt by a test.
struct ConfigurationFixture {
  static let gibibyte: UInt64 = 1 << 30

  let directory: TemporaryDirectory
  var configuration: VirtualMachineConfiguration

  init() throws {
    directory = try TemporaryDirectory()
    configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(
        kernelPath: try directory.makeFile("kernel"), commandLine: "console=ttyS0",
        initialRamdiskPaths: [try directory.makeFile("initrd")]),
      consoleDevices: [
        VirtioConsoleDeviceConfiguration(ports: [
          VirtioConsolePortConfiguration(
            name: "org.fedoraproject.port.0",
            attachment: .unixSocketServer(path: directory["port0"]))
        ])
      ],
      serialPort: SerialPortConfiguration(attachment: .standardIO))
  }

  /// Replaces the ports by some of these names, without backends.
  mutating func setPorts(names: [String?]) {
    configuration.consoleDevices = [
      VirtioConsoleDeviceConfiguration(
        ports: names.map { VirtioConsolePortConfiguration(name: $0, attachment: .none) })
    ]
  }

  /// The error's line as the command line spells it, on a host of 8 GiB; the directory's path written as DIR; nil for none.
  func problem() -> String? {
    do throws(ConfigurationError) {
      try configuration.validate(hostMemorySize: 8 * Self.gibibyte)
      return nil
    } catch {
      return UsageError(error).description.replacing(directory.path, with: "DIR")
    }
  }
}
