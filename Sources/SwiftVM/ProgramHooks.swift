import Host
import Synchronization

/// What a program that runs one machine wants beside it.
package struct ProgramHooks {
  /// Milestones of the start are told to these.
  package var timings = Timings()
  /// Called once, on the machine's thread, when the guest runs.
  package var whenStarted: () -> Void = {}
  /// Signals that end the machine.
  package var endingSignals: [Int32] = []
  /// How long a guest whose power button SIGTERM presses has to end, in seconds; nil where that signal
  /// ends the machine itself, as every other does, and a second one.
  package var powerDownSeconds: Int?
  /// The signal on which `report` is called, on the machine's thread.
  package var reportSignal: Int32?
  /// Gets the devices' reports, and those of the consoles besides; must not wait.
  package var report: ([VirtioConsoleDeviceReport], [VirtioConsoleDeviceReport]) -> Void = {
    _, _ in
  }
  /// Gets one line for every control message and change of state, on any thread; must not wait.
  package var trace: (@Sendable (String) -> Void)?

  /// Nothing.
  package init() {}
}

/// When a machine reached its milestones, for `--timings`. Callable on any thread.
package final class Timings: Sendable {
  private let start: Int64
  private let stamps = Mutex<[(name: String, nanoseconds: Int64)]>([])

  /// Milestones count from now.
  package init() { start = MonotonicClock.now() }

  /// A milestone is reached now; only the first time counts.
  package func mark(_ name: String) {
    let elapsed = MonotonicClock.now() &- start
    stamps.withLock { stamps in
      if !stamps.contains(where: { $0.name == name }) { stamps.append((name, elapsed)) }
    }
  }

  /// One line for each milestone: milliseconds since the start, and its name.
  package var lines: [String] {
    stamps.withLock { stamps in
      stamps.map { stamp in
        "timing: \(Milliseconds(nanoseconds: stamp.nanoseconds))  \(stamp.name)"
      }
    }
  }
}

/// A time as columns of text: milliseconds with three decimals.
package struct Milliseconds: CustomStringConvertible {
  private let nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = max(0, nanoseconds) }

  package var description: String {
    let microseconds = nanoseconds / 1000
    let fraction = String(microseconds % 1000 + 1000).dropFirst()
    let text = "\(microseconds / 1000).\(fraction)"
    return String(repeating: " ", count: max(0, 12 - text.count)) + text + " ms"
  }
}

/// This program's version.
package enum SwiftVMVersion {
  /// As `query-version` tells it.
  package static let numbers = (0, 2, 0)

  /// As people read it.
  package static let text = "\(numbers.0).\(numbers.1).\(numbers.2)"
}
