import Glibc
import Host

/// A descriptor that came over a control socket, or is to go over one.
final class PassedDescriptor {
  private let descriptor: FileDescriptor

  var number: Int32 { descriptor.rawValue }

  init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

  /// One more for the same open file, in the state of an inherited one, which a chardev takes over:
  /// not close-on-exec.
  func duplicateForChardev() throws(SystemError) -> Int32 {
    try systemCall("fcntl(F_DUPFD)") { fcntl(number, F_DUPFD, STDERR_FILENO + 1) }
  }

  /// Closes such a one, unless a chardev has taken it over: then it is close-on-exec, as everything
  /// is that the process opens itself.
  static func takeBack(_ number: Int32) {
    let flags = fcntl(number, F_GETFD)
    if flags != -1, flags & FD_CLOEXEC == 0 { close(number) }
  }
}

/// The descriptors that one client has sent and that no command has taken, in order.
final class PassedDescriptors {
  /// How many may wait; more are closed.
  static let limit = 16

  private var waiting: [PassedDescriptor] = []

  /// Takes in one that has arrived.
  func append(_ descriptor: PassedDescriptor) {
    if waiting.count < Self.limit { waiting.append(descriptor) }
  }

  /// Closes those that wait.
  func removeAll() { waiting = [] }

  /// The first one.
  func takeFirst() throws(QMPError) -> PassedDescriptor {
    guard !waiting.isEmpty else { throw QMPError("No file descriptor supplied via SCM_RIGHTS") }
    return waiting.removeFirst()
  }
}
