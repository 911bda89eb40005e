import Chardev
import Host

// Host ends, and those that last longer than the ports that have them; on the loop's thread.
extension Machine {
  /// Keeps a host end, which ports may have from now on, one after another.
  package func keep(_ chardev: any Chardev) throws(SystemError) {
    if isStarted { try chardev.start(on: loop) }
    configuration.keptChardevs.append(chardev)
  }

  /// Ends a host end that was kept. No port has it.
  package func release(_ chardev: any Chardev) {
    guard let place = configuration.keptChardevs.firstIndex(where: { $0 === chardev }) else {
      return
    }
    configuration.keptChardevs.remove(at: place)
    chardev.stop()
  }

  /// The host end of a port; nil where there is no such port.
  package func chardev(ofPort number: UInt32, ofDevice device: Int) -> (any Chardev)? {
    guard configuration.consoleDevices.indices.contains(device) else { return nil }
    return configuration.consoleDevices[device].ports
      .first { $0.configuration.number == number }?.chardev
  }

  /// The host ends of a device's ports, by the ports' numbers.
  package func chardevs(ofDevice device: Int) -> [UInt32: any Chardev] {
    guard configuration.consoleDevices.indices.contains(device) else { return [:] }
    return Dictionary<UInt32, any Chardev>(
      configuration.consoleDevices[device].ports.compactMap { port in
        port.configuration.number.map { ($0, port.chardev) }
      }, uniquingKeysWith: { first, _ in first })
  }

  /// The serial console's host end; nil for none.
  package var serialChardev: (any Chardev)? { configuration.serial }

  /// The terminal that the program runs in may have another size now.
  package func windowSizeMayHaveChanged() {
    for chardev in configuration.chardevs { chardev.terminal?.windowSizeMayHaveChanged() }
  }

  /// Starts a port's host end, if it is the port's own.
  func begin(_ chardev: any Chardev) throws(SystemError) {
    if isStarted, !configuration.isKept(chardev) { try chardev.start(on: loop) }
  }

  /// Ends a port's host end, if it is the port's own.
  func letGo(_ chardev: any Chardev) {
    if !configuration.isKept(chardev) { chardev.stop() }
  }
}
