import Glibc

/// A system call that failed: which one, and why.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was attempted, as the name of the C function, or with the object it was attempted on.
  package let call: String
  /// The error number of `errno(3)`.
  package let errno: Int32

  package init(_ call: String, errno: Int32) {
    self.call = call
    self.errno = errno
  }

  /// The failure that the calling thread's `errno` holds now.
  package static func current(_ call: String) -> SystemError {
    SystemError(call, errno: Glibc.errno)
  }

  /// For example "bind: Permission denied".
  package var description: String {
    "\(call): \(reason)"
  }

  /// The reason alone, for example "Permission denied"; with the host's limit that has been reached
  /// and its value now, for example "Too many open files (RLIMIT_NOFILE is 1024)".
  package var reason: String {
    guard let text = strerror(errno) else { return "error \(errno)" }
    return String(cString: text) + (HostLimit.clause(of: self).map { " (\($0))" } ?? "")
  }
}

/// Makes a system call that returns -1 on failure, again while a signal interrupts it.
@discardableResult
package func systemCall<Result: FixedWidthInteger & SignedInteger>(
  _ name: @autoclosure () -> String, _ body: () -> Result
) throws(SystemError) -> Result {
  while true {
    let result = body()
    if result != -1 { return result }
    let reason = Glibc.errno
    if reason != EINTR { throw SystemError(name(), errno: reason) }
  }
}
