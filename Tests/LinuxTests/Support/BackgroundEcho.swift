import Synchronization
import TestSupport

/// Has the guest send back block after block through a port that is plugged for it, beside the test.
final class BackgroundEcho {
  private static let block = Records.bytes(0..<2048)

  /// What the thread has seen.
  private final class Outcome: Sendable {
    /// Blocks that have come back whole.
    let count = Atomic(0)
    let failure = Mutex<String?>(nil)
  }

  private let guest: Guest
  private let outcome = Outcome()
  private let thread: BackgroundThread

  init(_ guest: Guest, _ port: String) throws {
    self.guest = guest
    try guest.addSocket(port)
    try guest.addPort(port)
    try guest.agent.startProgram("background", "vport echo /dev/virtio-ports/\(port)")
    nonisolated(unsafe) let client = try guest.connect(port)
    thread = BackgroundThread { [outcome] in
      do {
        try client.sendAll(Self.block)
        guard try client.receive(exactly: Self.block.count) == Self.block else {
          throw Failure("another block came back")
        }
        outcome.count.add(1, ordering: .relaxed)
      } catch {
        outcome.failure.withLock { $0 = $0 ?? "\(error)" }
      }
    }
  }

  /// Ends it; returns how many blocks came back. Fails if one did not.
  func stop() throws -> Int {
    thread.stop()
    try guest.agent.stop("background")
    if let failure = outcome.failure.withLock({ $0 }) { throw Failure("beside: \(failure)") }
    return outcome.count.load(ordering: .relaxed)
  }
}
