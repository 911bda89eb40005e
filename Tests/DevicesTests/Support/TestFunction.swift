import Devices
import Synchronization

/// A function with a 64-bit, a 32-bit and an I/O region, MSI-X and an interrupt pin, built from the
/// module's parts as a real device is.
final class TestFunction: PCIFunction {
  static let memory64 = BaseAddressRegister(index: 0, kind: .memory64, size: 0x8000)
  static let memory32 = BaseAddressRegister(index: 2, kind: .memory32, size: 0x1000)
  static let io = BaseAddressRegister(index: 3, kind: .io, size: 0x20)
  static let vectorCount = 5

  private struct State {
    var configuration: ConfigurationSpace
    var windows: [BaseAddressWindow]
    var msix: MSIXTable
    var pin: InterruptPin
    var moves = 0
  }

  let capability: Int
  private let state: Mutex<State>

  init(
    memory: AddressSpace, ports: AddressSpace, region: any AddressSpaceDevice,
    router: any MSIRouter, line: any InterruptLine
  ) {
    var configuration = ConfigurationSpace(
      PCIIdentity(
        vendor: 0x1af4, device: 0x1043, revision: 1, classCode: 0xff0000, subsystemVendor: 0x1af4,
        subsystem: 0x1043, interruptPin: 1))
    let bars = [Self.memory64, Self.memory32, Self.io]
    for bar in bars { configuration.add(bar) }
    configuration.append(
      PCICapability(id: 9, body: [16] + [UInt8](repeating: 0, count: 13)))
    capability = configuration.append(
      .msix(vectorCount: Self.vectorCount, bar: 0, table: 0x6000, pendingBits: 0x7000))
    state = Mutex(
      State(
        configuration: configuration,
        windows: bars.map {
          BaseAddressWindow($0, in: $0.kind == .io ? ports : memory, device: region)
        },
        msix: MSIXTable(vectorCount: Self.vectorCount, router: router),
        pin: InterruptPin(line: line)))
  }

  func readConfiguration(register: Int, width: Int) -> UInt32 {
    state.withLock { $0.configuration.read(register: register, width: width) }
  }

  func writeConfiguration(register: Int, width: Int, value: UInt32) {
    state.withLock { state in
      state.configuration.write(register: register, width: width, value: value)
      for index in state.windows.indices
      where state.windows[index].update(from: state.configuration) {
        state.moves += 1
      }
      state.msix.update(from: state.configuration, capability: capability)
      state.pin.isDisabled = state.configuration.isINTxDisabled
    }
  }

  var header: PCIFunctionState {
    state.withLock { $0.configuration.state([Self.io, Self.memory64, Self.memory32]) }
  }

  /// The ranges as the guest has placed them: 64-bit, 32-bit, I/O.
  var ranges: [Range<UInt64>?] { state.withLock { $0.windows.map(\.range) } }

  func withMSIX<Result: Sendable>(_ body: @Sendable (inout MSIXTable) -> Result) -> Result {
    state.withLock { body(&$0.msix) }
  }

  func setInterrupt(_ asserted: Bool) {
    state.withLock { state in
      state.configuration.hasInterruptStatus = asserted
      state.pin.isAsserted = asserted
    }
  }
}
