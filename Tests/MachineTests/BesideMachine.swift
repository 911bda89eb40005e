import Glibc
import SwiftVM
import Synchronization
import TestSupport

/// Runs the machine with a thread beside it; returns what the thread noted.
func run(
  _ machine: VirtualMachine, beside body: @escaping @Sendable (Notes) -> Void
) throws -> (outcome: VirtualMachineOutcome, notes: [String]) {
  let notes = Notes()
  let hasEnded = Counter()
  let thread = startThread {
    body(notes)
    // One that waits for what the thread did not come to must not wait for ever.
    if !waitUntil(seconds: 20, { hasEnded.value > 0 }) { machine.stop() }
  }
  let outcome = try machine.run()
  hasEnded.add(1)
  pthread_join(thread, nil)
  return (outcome, notes.all)
}

/// What a thread saw, for the test to check.
final class Notes: Sendable {
  private let notes = Mutex<[String]>([])
  var all: [String] { notes.withLock { $0 } }
  func add(_ note: (some CustomStringConvertible)?) {
    notes.withLock { $0.append(note?.description ?? "nothing") }
  }
}
