import CKVM
import Glibc
import Host

/// Keeps two starting programs from judging and replacing one stale socket at the same time.
///
/// Advisory, on the directory itself (flock(2)), so that nothing is left behind. Somebody else's
/// lock is waited for only for ten seconds: it must not keep a machine from starting. Ours is held
/// for a few system calls, however busy the host is.
struct DirectoryLock: ~Copyable {
  private static let attempts = 1000
  private static let attemptMicroseconds: UInt32 = 10_000

  private let descriptor: FileDescriptor?

  /// Takes the lock, or goes without where the directory cannot be opened.
  init(directory: String) {
    let number = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else {
      descriptor = nil
      return
    }
    descriptor = FileDescriptor(owning: number)
    for _ in 0..<DirectoryLock.attempts {
      if flock(number, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return }
      usleep(DirectoryLock.attemptMicroseconds)
    }
  }

  /// Ends the lock, by the end of its owner.
  consuming func release() {}
}
