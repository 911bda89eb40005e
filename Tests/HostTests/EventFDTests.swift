import Glibc
import Host
import Testing

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
