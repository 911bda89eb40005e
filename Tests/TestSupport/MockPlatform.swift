import Devices
import Synchronization
import Virtio

/// Routes that remember what was programmed and sent.
package final class MockRouter: MSIRouter {
  /// One route.
  package final class Route: MSIRoute {
    private let state = Mutex<(message: [UInt64], triggers: Int)>(([], 0))
    package func program(address: UInt64, data: UInt32) {
      state.withLock { $0.message = [address, UInt64(data)] }
    }
    package func trigger() { state.withLock { $0.triggers += 1 } }
    /// Address and data, as last programmed.
    package var message: [UInt64] { state.withLock { $0.message } }
    /// How often it was sent.
    package var triggers: Int { state.withLock { $0.triggers } }
  }

  private let state = Mutex<[Route]>([])

  package init() {}

  package func makeRoute() -> (any MSIRoute)? {
    let route = Route()
    state.withLock { $0.append(route) }
    return route
  }

  package func send(address: UInt64, data: UInt32) {}

  /// Every route handed out.
  package var routes: [Route] { state.withLock { $0 } }
}

/// A line that remembers its level.
package final class MockLine: InterruptLine {
  private let level = Mutex(false)
  package init() {}
  package func setLevel(_ asserted: Bool) { level.withLock { $0 = asserted } }
  /// The level now.
  package var isAsserted: Bool { level.withLock { $0 } }
}

/// Queue notifiers that remember where they were and what was notified of.
package final class MockQueueNotifiers: QueueNotifierBinding {
  private struct State {
    var places: [NotifyRegister: [UInt64?]] = [:]
    var notifications: [(queue: Int, register: NotifyRegister)] = []
  }

  private let state = Mutex(State())
  package init() {}

  package func place(_ register: NotifyRegister, at address: UInt64?) {
    state.withLock { $0.places[register, default: []].append(address) }
  }

  package func notify(queue: Int, through register: NotifyRegister) {
    state.withLock { $0.notifications.append((queue, register)) }
  }

  /// Every place of a register, in order.
  package func places(_ register: NotifyRegister) -> [UInt64?] {
    state.withLock { $0.places[register] ?? [] }
  }

  /// Every queue that was notified of, in order.
  package var notifications: [Int] { state.withLock { $0.notifications.map(\.queue) } }

  /// The same, through one register.
  package func notifications(through register: NotifyRegister) -> [Int] {
    state.withLock { $0.notifications.filter { $0.register == register }.map(\.queue) }
  }
}
