import Glibc
import Host
import TestSupport
import Testing

@testable import Control

/// VSERPORT_CHANGE: of each port at most one a second.
@Suite struct PortChangeThrottleTests {
  private final class Told {
    var events: [JSONValue] = []
  }

  private let loop: EventLoop
  private let told = Told()

  init() throws { loop = try EventLoop() }

  private func throttle(_ milliseconds: Int) -> PortChangeThrottle {
    PortChangeThrottle(periodMilliseconds: milliseconds) { [told] in told.events.append($0) }
  }

  private func turn(until condition: () -> Bool) -> Bool {
    waitUntil {
      loop.turn(timeoutMilliseconds: 1)
      return condition()
    }
  }

  @Test("The first is told at once, and of the others the last, when its time has come")
  func tellsTheFirstAndTheLast() {
    let throttle = throttle(20)
    for number in 1...5 { throttle.tell(.integer(number), ofPort: "a", on: loop) }
    throttle.tell("other", ofPort: "b", on: loop)
    #expect(told.events == [1, "other"])
    #expect(turn { told.events.count == 3 })
    #expect(told.events == [1, "other", 5])
    // The time that follows is one of rest, too.
    throttle.tell(6, ofPort: "a", on: loop)
    #expect(told.events.count == 3)
    #expect(turn { told.events.count == 4 })
    #expect(told.events.last == 6)
  }

  @Test("After a time of rest the next is told at once, and without events there is no timer")
  func rests() {
    let throttle = throttle(10)
    throttle.tell(1, ofPort: "a", on: loop)
    #expect(
      turn {
        throttle.tell(2, ofPort: "b", on: loop)
        return told.events.count >= 4
      })
    #expect(
      turn {
        // The timer would end such a turn.
        let start = MonotonicClock.now()
        loop.turn(timeoutMilliseconds: 200)
        return MonotonicClock.now() &- start > 150_000_000
      })
    let count = told.events.count
    throttle.tell(3, ofPort: "a", on: loop)
    #expect(told.events.count == count + 1)
  }

  @Test func losesNothingAtTheEnd() {
    let throttle = throttle(1_000_000)
    for id in ["a", "b"] {
      for number in 1...3 { throttle.tell(.integer(number), ofPort: id, on: loop) }
    }
    #expect(told.events == [1, 1])
    throttle.settle("b")
    #expect(told.events == [1, 1, 3])
    throttle.tell(4, ofPort: "b", on: loop)
    #expect(told.events == [1, 1, 3, 4])
    throttle.stop()
    #expect(told.events == [1, 1, 3, 4, 3])
  }

  @Test("Clients hear a port's last state before it is gone, and before the end")
  func clientsHearTheLastState() throws {
    let rig = try ControlRig()
    let client = try rig.ready()
    func hear(_ open: Bool) -> Bool {
      client.line()?.contains(#""data": {"id": "p", "open": \#(open)}"#) == true
    }
    rig.server.send(.portChanged(id: "p", isOpen: true))
    #expect(hear(true))
    for isOpen in [false, true, false] { rig.server.send(.portChanged(id: "p", isOpen: isOpen)) }
    rig.server.send(.deviceDeleted(id: "p"))
    #expect(hear(false))
    #expect(client.line()?.contains("DEVICE_DELETED") == true)
    rig.server.send(.portChanged(id: "p", isOpen: true))
    #expect(hear(true))
    rig.server.send(.portChanged(id: "p", isOpen: false))
    rig.server.stop()
    #expect(hear(false))
  }
}
