import Glibc
import Host
import TestSupport
import Testing

@Suite struct FileDescriptorTests {
  @Test func closesAtTheEndOfItsLife() {
    let number: Int32
    do {
      let owner = FileDescriptor(owning: open("/dev/null", O_RDONLY))
      number = owner.rawValue
      #expect(isOpen(number))
    }
    // Tests beside this one may reuse the number at once, for anything but /dev/null.
    #expect(!isOpen(number) || !isNullDevice(number))
  }

  @Test func leavesAReleasedDescriptorOpen() {
    let owner = FileDescriptor(owning: open("/dev/null", O_RDONLY))
    let number = owner.release()
    #expect(isNullDevice(number))
    close(number)
  }

  private func isNullDevice(_ number: Int32) -> Bool {
    var status = stat()
    return fstat(number, &status) == 0 && status.st_rdev == 0x103
  }
}

@Suite struct EventFDTests {
  @Test func countsSignalsAndDrainsToZeroWithoutBlocking() throws {
    let event = try EventFD()
    #expect(event.drain() == 0)
    event.signal()
    event.signal()
    #expect(event.drain() == 2)
    #expect(event.drain() == 0)
  }

  @Test func staysReadableWhenItsCounterIsFull() throws {
    let event = try EventFD()
    var almostFull = UInt64.max - 1
    #expect(write(event.rawValue, &almostFull, 8) == 8)
    event.signal()
    #expect(event.drain() == UInt64.max - 1)
  }

  @Test func isClosedOnExec() throws {
    let event = try EventFD()
    #expect(fcntl(event.rawValue, F_GETFD) & FD_CLOEXEC != 0)
  }
}

// Each in a process of its own, whose limits it changes.
@Suite
struct DescriptorLimitTests {
  @Test func raisesTheLimitOnlyWhereNeeded() async {
    await #expect(processExitsWith: .success) {
      setLimits(64, 128)
      #expect(DescriptorLimit.raise(toFit: 64) == 64)
      #expect(limits() == [64, 128])
      #expect(DescriptorLimit.raise(toFit: 65) == 128)
      #expect(limits() == [128, 128])
      #expect(DescriptorLimit.raise(toFit: 1000) == 128)
    }
  }
}

private let resource = __rlimit_resource_t(7)  // RLIMIT_NOFILE, which is imported as another type

private func setLimits(_ soft: UInt, _ hard: UInt) {
  var limits = rlimit(rlim_cur: soft, rlim_max: hard)
  setrlimit(resource, &limits)
}

private func limits() -> [UInt] {
  var limits = rlimit()
  getrlimit(resource, &limits)
  return [limits.rlim_cur, limits.rlim_max]
}
