import Glibc
import Host

/// The two ends of a pipe.
package struct Pipe: ~Copyable {
  package let reading: FileDescriptor
  package let writing: FileDescriptor

  /// - Parameter flags: of both ends, such as `O_NONBLOCK`.
  package init(_ flags: Int32 = 0) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { fatalError("pipe: \(errno)") }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | flags)
    }
    reading = FileDescriptor(owning: ends[0])
    writing = FileDescriptor(owning: ends[1])
  }

  /// Writes a text, as far as it fits where the pipe does not block.
  package func put(_ text: String = "x") {
    let bytes = Array(text.utf8)
    _ = write(writing.rawValue, bytes, bytes.count)
  }
}

/// Two connected Unix sockets.
package struct SocketPair: ~Copyable {
  package let ours: FileDescriptor
  package let theirs: FileDescriptor

  package init() {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
      fatalError("socketpair: \(errno)")
    }
    ours = FileDescriptor(owning: ends[0])
    theirs = FileDescriptor(owning: ends[1])
  }
}

package func isOpen(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) != -1 }
