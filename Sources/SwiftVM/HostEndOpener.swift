import Chardev
import Host
import Machine
import Virtio
import VirtioSerial

/// Opens what ports and serial lines lead to on the host, and turns each refusal into an error that
/// names the option.
struct HostEndOpener {
  /// Called when the user types the key that ends the machine.
  let whenEnded: () -> Void

  /// A device with its ports' host ends, every port numbered.
  func open(
    _ device: VirtioConsoleDeviceConfiguration
  ) throws(ConfigurationError) -> MachineConfiguration.ConsoleDevice {
    let numbers = try device.portNumbers
    var ports: [MachineConfiguration.Port] = []
    for (port, number) in zip(device.ports, numbers) {
      var numbered = port
      numbered.number = number
      ports.append((PortConfiguration(numbered), try openPort(port)))
    }
    return MachineConfiguration.ConsoleDevice(
      id: device.id ?? "", ports: ports, maximumPorts: device.maximumPortCount,
      transport: VirtioTransport(device.transport), allowedFeatures: Features(device.features),
      vectorCount: device.vectorCount)
  }

  /// One port's host end.
  func openPort(
    _ port: VirtioConsolePortConfiguration
  ) throws(ConfigurationError) -> any Chardev {
    switch port.attachment {
    case .unixSocketServer(let path): try openSocket(path, OptionName.of(port))
    case .file(let path): try openFile(path, OptionName.of(port))
    case .standardIO: try openStandardIO(OptionName.of(port), isInteractive: port.isConsole)
    case .none: NullChardev()
    }
  }

  /// COM1's host end; nil for none.
  func openSerial(
    _ attachment: SerialPortAttachment
  ) throws(ConfigurationError) -> (any Chardev)? {
    switch attachment {
    case .none: nil
    case .standardIO: try openStandardIO(OptionName.serial, isInteractive: true)
    case .file(let path): try openFile(path, OptionName.serial)
    case .unixSocketServer(let path): try openSocket(path, OptionName.serial)
    }
  }

  /// A file for output.
  func openFile(_ path: String, _ option: String) throws(ConfigurationError) -> any Chardev {
    do throws(FileSinkError) { return try FileSink(path: path) } catch {
      throw ConfigurationError(option: option, problem: error.description, remedy: "")
    }
  }

  private func openSocket(
    _ path: String, _ option: String
  ) throws(ConfigurationError) -> any Chardev {
    do throws(SocketPathError) { return try UnixSocketServer(path: path) } catch {
      throw ConfigurationError(option: option, problem: error.description, remedy: "")
    }
  }

  /// Escapes are for people at a console: a pipe's bytes, and a channel's, are passed on as they are.
  private func openStandardIO(
    _ option: String, isInteractive: Bool
  ) throws(ConfigurationError) -> any Chardev {
    do throws(SystemError) {
      let escape = isInteractive && Terminal.isTerminal(0) ? EscapeKey() : nil
      return try StandardIO(escape: escape, whenEnded: whenEnded)
    } catch {
      throw ConfigurationError(
        option: option, value: "stdio", problem: error.description,
        remedy: "give \(option) file=PATH, or none at all")
    }
  }
}
