import Chardev
import Host
import VirtioConsole

// The ports of a machine, while it runs or before; on the loop's thread.
extension Machine {
  /// What the devices and their ports are doing, and what happened on them over all lives of the guest.
  package var deviceStatistics: [DeviceStatistics] {
    board.map { statistics.totals(with: $0.statistics) } ?? statistics.totals
  }

  /// Whether the guest has a port open.
  package func portIsOpenInGuest(_ number: UInt32, ofDevice device: Int) -> Bool {
    guard let board, board.consoles.indices.contains(device) else { return false }
    return board.consoles[device].device.isOpenInGuest(port: number)
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

  /// Gives a port another host end, which is kept if the one before was; that one ends. The port
  /// stays, in this life of the guest and those after it. Without effect where there is no such port.
  ///
  /// - Throws: if the new one does not start; nothing has changed then.
  package func exchangeChardev(
    ofPort number: UInt32, ofDevice device: Int, for chardev: any Chardev
  ) throws(SystemError) {
    let ports = configuration.consoleDevices[device].ports
    guard let index = ports.firstIndex(where: { $0.configuration.number == number }) else { return }
    if isStarted { try chardev.start(on: loop) }
    let before = ports[index].chardev
    configuration.consoleDevices[device].ports[index].chardev = chardev
    if let place = configuration.keptChardevs.firstIndex(where: { $0 === before }) {
      configuration.keptChardevs[place] = chardev
    }
    board?.exchangeChardev(ofPort: number, ofDevice: device, for: chardev)
    before.stop()
  }
}

/// Why a port could not be added to a machine.
package enum MachinePortError: Error {
  case device(PortError)
  case host(SystemError)
}
