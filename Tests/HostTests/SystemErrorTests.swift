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
}
