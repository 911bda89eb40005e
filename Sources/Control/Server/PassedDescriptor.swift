import Glibc
import Host

/// A descriptor that came over a control socket, or is to go over one.
final class PassedDescriptor {
  private var owned: FileDescriptor?

  /// The number; -1 once it has been given away.
  let number: Int32

  init(_ descriptor: consuming FileDescriptor) {
    number = descriptor.rawValue
    owned = consume descriptor
  }

  /// Gives up ownership: whoever knows the number closes it.
  func giveAway() {
    guard let descriptor = owned.take() else { return }
    _ = descriptor.release()
  }

  /// One more for the same open file.
  func duplicate() throws(SystemError) -> PassedDescriptor {
    let copy = try systemCall("fcntl(F_DUPFD_CLOEXEC)") { fcntl(number, F_DUPFD_CLOEXEC, 0) }
    return PassedDescriptor(FileDescriptor(owning: copy))
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

  /// The first one.
  func takeFirst() throws(QMPError) -> PassedDescriptor {
    guard !waiting.isEmpty else { throw QMPError("No file descriptor supplied via SCM_RIGHTS") }
    return waiting.removeFirst()
  }
}
