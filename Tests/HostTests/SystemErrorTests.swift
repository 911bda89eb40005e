import Glibc
import Host
import Testing

@Suite struct SystemErrorTests {
  @Test func saysWhatFailedAndWhy() {
    #expect(SystemError("bind", errno: EACCES).description == "bind: Permission denied")
    #expect(SystemError("bind", errno: EACCES).reason == "Permission denied")
  }

  @Test func carriesTheErrnoOfAFailedCall() {
    #expect(throws: SystemError("open", errno: ENOENT)) {
      try systemCall("open") { open("/nonexistent/file", O_RDONLY) }
    }
  }

  @Test("H17: a call that a signal interrupted is made again")
  func repeatsAnInterruptedCall() throws {
    var calls = 0
    let result = try systemCall("call") { () -> Int32 in
      calls += 1
      errno = EINTR
      return calls < 3 ? -1 : 7
    }
    #expect(result == 7)
    #expect(calls == 3)
  }

  @Test("The host's limit is named with its value")
  func namesLimits() {
    var limit = rlimit()
    #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    #expect(
      SystemError("open", errno: EMFILE).description
        == "open: Too many open files (RLIMIT_NOFILE is \(limit.rlim_cur))")
    #expect(
      SystemError("inotify_init1", errno: EMFILE).reason.contains(
        "(fs.inotify.max_user_instances is "))
    #expect(SystemError("open", errno: ENFILE).reason.contains("(fs.file-max is "))
    #expect(SystemError("open", errno: ENOENT).reason == "No such file or directory")
    #expect(SystemError("write", errno: ENOSPC).reason == "No space left on device")
  }
}
