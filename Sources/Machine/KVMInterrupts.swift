import Devices
import KVM

/// KVM's interrupt paths, as the devices know them.
extension MSIRouteHandle: MSIRoute {}

extension IRQLine: InterruptLine {}

/// Hands out KVM's MSI routes.
final class KVMMessageRouter: MSIRouter {
  private let router: InterruptRouter

  init(machine: KVMVirtualMachine) { router = InterruptRouter(machine: machine) }

  func makeRoute() -> (any MSIRoute)? { router.makeRoute() }
}
