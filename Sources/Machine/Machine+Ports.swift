import Chardev
import Host
import VirtioSerial

// The ports of a machine, while it runs or before; on the loop's thread.
extension Machine {
  /// Every port's state and what went through it, device by device, by ascending number.
  package var portTotals: [[PortTotal]] {
    board.map { statistics.totals(with: $0.portReports) } ?? statistics.totals
  }

  /// What happened on the devices besides.
  package var deviceReports: [DeviceReport] {
    board.map { statistics.devices(with: $0.deviceReports) } ?? statistics.devices
  }

  /// Adds a port to a device; it is there after resets of the guest, too.
  ///
  /// - Parameter port: its number is one that no other port has.
  package func addPort(
    _ port: MachineConfiguration.Port, toDevice device: Int
  ) throws(MachinePortError) {
    do throws(SystemError) { try begin(port.chardev) } catch { throw .host(error) }
    do throws(PortError) {
      try board?.addPort(port, toDevice: device)
    } catch {
      letGo(port.chardev)
      throw .device(error)
    }
    configuration.consoleDevices[device].ports.append(port)
  }

  /// Removes a port for good, and ends its host end unless that is kept; what the client takes at
  /// once is passed on. Without effect where there is no such port.
  package func removePort(_ number: UInt32, ofDevice device: Int) {
    let ports = configuration.consoleDevices[device].ports
    guard let index = ports.firstIndex(where: { $0.configuration.number == number }) else { return }
    let report = board?.removePort(number, ofDevice: device)
    configuration.consoleDevices[device].ports.remove(at: index)
    letGo(ports[index].chardev)
    statistics.forget(port: number, ofDevice: device, report)
  }
}

/// Why a port could not be added to a machine.
package enum MachinePortError: Error {
  case device(PortError)
  case host(SystemError)
}
