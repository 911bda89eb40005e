import KVM
import Synchronization

/// A device with a level-triggered line that it lowers only when told often enough.
final class LineBox: Sendable {
  private struct State {
    var line: IRQLine?
    var left = 0
  }

  private let state = Mutex(State())

  func connect(_ line: IRQLine, acknowledgements: Int) {
    state.withLock { $0 = State(line: line, left: acknowledgements) }
  }

  func raise() { state.withLock { $0.line?.setLevel(true) } }

  func acknowledge() {
    state.withLock { state in
      state.left -= 1
      if state.left == 0 { state.line?.setLevel(false) }
    }
  }
}
