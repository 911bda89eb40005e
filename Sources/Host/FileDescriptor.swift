import Glibc

/// The owner of one open file descriptor, which it closes when its life ends.
package struct FileDescriptor: ~Copyable, Sendable {
  /// The number, for system calls; valid while the owner lives.
  package let rawValue: Int32

  /// Takes over an open descriptor, which nobody else may close from now on.
  package init(owning rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    // Not repeated on EINTR: Linux has released the number by then (close(2), NOTES).
    close(rawValue)
  }

  /// Gives up ownership: the caller closes the descriptor.
  package consuming func release() -> Int32 {
    let number = rawValue
    discard self
    return number
  }
}
