import CKVM
import Glibc
import Host

/// Runs `body` on a thread of its own, for what would mark or block a shared one.
func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
  await withCheckedContinuation { continuation in
    do {
      _ = try Thread(name: "test") { continuation.resume(returning: body()) }
    } catch {
      fatalError("\(error)")
    }
  }
}
