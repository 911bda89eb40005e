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

/// Doorbells that remember where they were and what rang.
package final class MockDoorbells: DoorbellBinder {
  private let state = Mutex<(bases: [UInt64?], rings: [Int])>(([], []))
  package init() {}
  package func move(to base: UInt64?) { state.withLock { $0.bases.append(base) } }
  package func ring(queue: Int) { state.withLock { $0.rings.append(queue) } }
  /// Every base they were moved to, in order.
  package var bases: [UInt64?] { state.withLock { $0.bases } }
  /// Every queue that rang, in order.
  package var rings: [Int] { state.withLock { $0.rings } }
}
