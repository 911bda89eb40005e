import CKVM
import Glibc
import Host

/// Keeps two starting programs from judging and replacing one stale socket at the same time.
///
/// Advisory, on the directory itself (flock(2)), so that nothing is left behind. Somebody else's
/// lock is waited for only as long as there is patience: it must not keep a machine from starting, nor
/// one that runs from its work. Ours is held for a few system calls, however busy the host is.
struct DirectoryLock: ~Copyable {
  private static let stepMilliseconds = 10

  private let descriptor: FileDescriptor?

  /// Takes the lock, or goes without where the directory cannot be opened or the patience ends.
  init(directory: String, patience: OpeningPatience) {
    let number = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else {
      descriptor = nil
      return
    }
    descriptor = FileDescriptor(owning: number)
    patience.whileLocking { milliseconds in
      for _ in 0...(milliseconds / Self.stepMilliseconds) {
        if flock(number, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return }
        usleep(UInt32(Self.stepMilliseconds) * 1000)
      }
    }
  }

  /// Ends the lock, by the end of its owner.
  consuming func release() {}
}
