import Glibc

/// The limits of the host that system calls run into: their names and what they are now.
enum HostLimit {
  /// The limit behind a failure, as `RLIMIT_NOFILE is 1024`; nil where none is known to be.
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

  /// A limit of this process, in bytes where it is of a size (getrlimit(2)).
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
