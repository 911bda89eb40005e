import Control
import SwiftVM
import TestSupport

/// A suite of tests of QMP with a machine behind it.
protocol QMPSuite {
  var directory: TemporaryDirectory { get }
}

extension QMPSuite {
  /// A machine with a control socket, and a guest that serves port `a` and reports to the file `log`.
  func machine(
    _ commandLine: String = "run=console mode=msix port=a wait=host send=hello echo=1 end=asked",
    ports: [VirtioConsolePortConfiguration]? = nil,
    spares: [ChardevConfiguration] = [],
    _ change: (inout VirtualMachineConfiguration) -> Void = { _ in }
  ) throws -> VirtualMachine {
    let port = VirtioConsolePortConfiguration(
      id: "p", name: "a", attachment: .unixSocketServer(path: directory["a"]))
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(kernelPath: Checkout.microGuest, commandLine: commandLine),
      memorySize: 16 << 20,
      consoleDevices: [VirtioConsoleDeviceConfiguration(id: "vs0", ports: ports ?? [port])],
      serialPort: SerialPortConfiguration(attachment: .file(path: directory["log"])))
    configuration.name = "test"
    configuration.characterDevices = spares
    configuration.controlSockets = [.unixSocketServer(path: directory["qmp"])]
    change(&configuration)
    let machine = try VirtualMachine(configuration)
    try ControlServer(serving: machine)
    return machine
  }

  func spare(_ id: String) -> ChardevConfiguration {
    var spare = ChardevConfiguration.unixSocketServer(path: directory[id])
    spare.id = id
    return spare
  }

  /// The serial console as `query-chardev` tells of it.
  static func serial(_ label: String) -> String {
    #"{"label": "\#(label)", "filename": "file", "frontend-open": true}"#
  }
}
