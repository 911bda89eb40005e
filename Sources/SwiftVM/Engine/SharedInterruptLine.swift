import Devices
import Synchronization

/// One input of the interrupt controller that several devices drive: asserted while any of them
/// asserts it, as PCI's INTx lines are wired. Callable on any thread.
final class SharedInterruptLine: Sendable {
  private let line: any InterruptLine
  private let assertions = Mutex(0)

  init(_ line: any InterruptLine) { self.line = line }

  /// One device's end of the line, not asserted.
  func makeEnd() -> any InterruptLine { End(of: self) }

  /// The level changes with the lock held, so that levels reach the line in order.
  fileprivate func change(by difference: Int) {
    assertions.withLock { assertions in
      let wasAsserted = assertions > 0
      assertions += difference
      if wasAsserted != (assertions > 0) { line.setLevel(assertions > 0) }
    }
  }
}

private final class End: InterruptLine {
  private let shared: SharedInterruptLine
  private let isAsserted = Mutex(false)

  init(of shared: SharedInterruptLine) { self.shared = shared }

  func setLevel(_ asserted: Bool) {
    isAsserted.withLock { isAsserted in
      guard asserted != isAsserted else { return }
      isAsserted = asserted
      shared.change(by: asserted ? 1 : -1)
    }
  }
}
