import Devices
import KVM

/// KVM's interrupt paths, as the devices know them.
extension IRQFDRoute: MSIRoute {}

extension IRQLine: InterruptLine {}

/// Hands out KVM's MSI routes.
final class KVMMessageRouter: MSIRouter {
  private let machine: KVMVirtualMachine
  private let router: InterruptRouter

  init(machine: KVMVirtualMachine) {
    self.machine = machine
    router = InterruptRouter(machine: machine)
  }

  func makeRoute() -> (any MSIRoute)? { router.makeRoute() }

  func send(address: UInt64, data: UInt32) {
    // KVM refuses only what makes no sense as a message: nothing that a device could better.
    try? machine.signalMSI(address: address, data: data)
  }
}
