import Glibc

/// A system call that failed: which one, and why.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was attempted, as the name of the C function, or with the object it was attempted on.
  package let call: String
  /// The error number of `errno(3)`.
  package let errno: Int32

  /// A failure with this error number.
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

  /// The reason alone, for example "Permission denied"; with the host's limit that has been reached,
  /// for example "Too many open files (RLIMIT_NOFILE is 1024)".
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

/// The limits of the host that system calls run into: their names and present values.
private enum HostLimit {
  /// The limit that causes a failure, as `RLIMIT_NOFILE is 1024`; nil if none is known.
  static func clause(of error: SystemError) -> String? {
    func isCall(_ names: String...) -> Bool { names.contains { error.call.hasPrefix($0) } }
    switch error.errno {
    case EMFILE where isCall("inotify"): return setting("fs.inotify.max_user_instances")
    case EMFILE: return resource("RLIMIT_NOFILE", RLIMIT_NOFILE)
    case ENFILE: return setting("fs.file-max")
    case EFBIG: return resource("RLIMIT_FSIZE", RLIMIT_FSIZE)
    case ENOMEM where isCall("mmap"):
      return resource("RLIMIT_AS", RLIMIT_AS) ?? setting("vm.overcommit_memory")
    case EAGAIN where isCall("pthread_create", "fork", "posix_spawn"):
      return resource("RLIMIT_NPROC", __RLIMIT_NPROC) ?? setting("kernel.threads-max")
    case ENOSPC where isCall("posix_openpt", "open a pseudo"): return setting("kernel.pty.max")
    case ENOSPC where isCall("inotify"): return setting("fs.inotify.max_user_watches")
    case ENOSPC where isCall("epoll_ctl"): return setting("fs.epoll.max_user_watches")
    default: return nil
    }
  }

  /// A limit of this process; sizes in bytes (getrlimit(2)).
  private static func resource(_ name: String, _ number: __rlimit_resource) -> String? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(number.rawValue), &limit) == 0, limit.rlim_cur != rlim_t.max
    else { return nil }
    return "\(name) is \(limit.rlim_cur)"
  }

  /// A limit of the whole host (sysctl(8)).
  private static func setting(_ name: String) -> String? {
    let path = "/proc/sys/" + name.split(separator: ".").joined(separator: "/")
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 32)
    guard fgets(&text, Int32(text.count), file) != nil else { return nil }
    let digits = text.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }
    return "\(name) is \(String(decoding: digits, as: UTF8.self))"
  }
}
