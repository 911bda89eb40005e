import CKVM
import Glibc
import Host

/// Two connected stream sockets.
struct SocketPair: ~Copyable {
  let ours: FileDescriptor
  let theirs: FileDescriptor

  init() {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
      fatalError("socketpair: \(errno)")
    }
    ours = FileDescriptor(owning: ends[0])
    theirs = FileDescriptor(owning: ends[1])
  }
}

func isOpen(_ descriptor: Int32) -> Bool {
  fcntl(descriptor, F_GETFD) != -1
}

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
