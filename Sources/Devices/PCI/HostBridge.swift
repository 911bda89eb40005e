import Synchronization

/// Device 0, which does nothing but be there: Linux trusts configuration mechanism #1 only if it
/// finds a host bridge.
package final class HostBridge: PCIFunction {
  private let configuration = Mutex(
    ConfigurationSpace(PCIIdentity(vendor: 0x8086, device: 0x0d57, classCode: 0x060000)))

  /// A bridge to be put at device 0.
  package init() {}

  /// Its configuration header.
  package func readConfiguration(register: Int, width: Int) -> UInt32 {
    configuration.withLock { $0.read(register: register, width: width) }
  }

  /// What its header says.
  package var header: PCIFunctionState { configuration.withLock { $0.state() } }

  /// Its configuration header.
  package func writeConfiguration(register: Int, width: Int, value: UInt32) {
    configuration.withLock { $0.write(register: register, width: width, value: value) }
  }
}
