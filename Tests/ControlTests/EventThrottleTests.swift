import Glibc
import Host
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// Events that a guest can cause in a loop: of each port, and of each kind, at most one a second.
@Suite struct EventThrottleTests {
  private final class Told {
    var events: [JSONValue] = []
  }

  private let loop: EventLoop
  private let told = Told()

  init() throws { loop = try EventLoop() }

  private func throttle(_ milliseconds: Int, limit: Int = 1000) -> EventThrottle {
    EventThrottle(periodMilliseconds: milliseconds, limit: limit) { [told] in told.events.append($0)
    }
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
    for number in 1...5 { throttle.tell(.integer(number), of: [1], on: loop) }
    throttle.tell("other", of: [2], on: loop)
    #expect(told.events == [1, "other"])
    #expect(turn { told.events.count == 3 })
    #expect(told.events == [1, "other", 5])
    // The time that follows is one of rest, too.
    throttle.tell(6, of: [1], on: loop)
    #expect(told.events.count == 3)
    #expect(turn { told.events.count == 4 })
    #expect(told.events.last == 6)
  }

  @Test("After a time of rest the next is told at once, and without events there is no timer")
  func rests() {
    let throttle = throttle(10)
    throttle.tell(1, of: [1], on: loop)
    #expect(
      turn {
        throttle.tell(2, of: [2], on: loop)
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
    throttle.tell(3, of: [1], on: loop)
    #expect(told.events.count == count + 1)
  }

  @Test func losesNothingAtTheEnd() {
    let throttle = throttle(1_000_000)
    for key in [[1], [2]] as [[UInt8]] {
      for number in 1...3 { throttle.tell(.integer(number), of: key, on: loop) }
    }
    #expect(told.events == [1, 1])
    throttle.settle([2])
    #expect(told.events == [1, 1, 3])
    throttle.tell(4, of: [2], on: loop)
    #expect(told.events == [1, 1, 3, 4])
    throttle.stop()
    #expect(told.events == [1, 1, 3, 4, 3])
  }

  @Test("However many keys there are, a period brings so many events, and every key has its turn")
  func boundsAllKeysTogether() {
    let throttle = throttle(20, limit: 5)
    for number in 0..<23 {
      for _ in 0..<3 { throttle.tell(.integer(number), of: [UInt8(number)], on: loop) }
    }
    #expect(told.events == [0, 1, 2, 3, 4])
    let start = MonotonicClock.now()
    #expect(turn { Set(told.events.compactMap(\.integer)) == Set(0..<23) })
    // 5 at once, then 5 of each period: those that were told come again in their turn.
    #expect(MonotonicClock.now() &- start > 60_000_000)
    #expect(turn { told.events.count == 23 + 5 })
  }

  @Test(
    "A flood of panics or resets makes one event a second, and the end comes after the last",
    ControlRig.requirement)
  func throttlesEachKindOfEvent() throws {
    let rig = try ControlRig()
    let client = try rig.ready()
    for _ in 0..<10_000 {
      rig.server.send(.guestPanicked(startsCrashKernel: false))
      rig.server.send(.reset(byGuest: true))
      rig.server.send(.portChanged(id: "p", isOpen: true))
    }
    rig.server.send(.shutdown(.poweredOff))
    rig.machine.engine.tell(.ended(.poweredOff))
    var lines: [String] = []
    while let line = client.line() {
      lines.append(String(line.split(separator: #""event": ""#).last?.prefix { $0 != "\"" } ?? ""))
    }
    let once = ["GUEST_PANICKED", "RESET", "VSERPORT_CHANGE"]
    #expect(
      lines == once + ["RESET", "GUEST_PANICKED", "SHUTDOWN", "VSERPORT_CHANGE"])
  }

  @Test("Every event has its rule: what a guest causes as often as it likes is told once a second")
  func hasARuleForEachEvent() {
    func isThrottled(_ event: VirtualMachineEvent) -> Bool? {
      QMPEvent(event, onPanic: .pause, byClient: false).map { $0.key != nil }
    }
    let throttled: [VirtualMachineEvent] = [
      .reset(byGuest: true), .guestPanicked(startsCrashKernel: false),
      .portChanged(id: "p", isOpen: true),
    ]
    let told: [VirtualMachineEvent] = [
      .paused, .resumed, .reset(byGuest: false), .powerButtonPressed,
      .shutdown(.stopped(signal: 15)), .deviceRemoved(id: "p"),
    ]
    for event in throttled { #expect(isThrottled(event) == true) }
    for event in told { #expect(isThrottled(event) == false) }
  }

  @Test(
    "Clients hear a port's last state before it is gone, and before the end",
    ControlRig.requirement)
  func clientsHearTheLastState() throws {
    let rig = try ControlRig()
    let client = try rig.ready()
    func hear(_ open: Bool) -> Bool {
      client.line()?.contains(#""data": {"id": "p", "open": \#(open)}"#) == true
    }
    rig.server.send(.portChanged(id: "p", isOpen: true))
    #expect(hear(true))
    for isOpen in [false, true, false] { rig.server.send(.portChanged(id: "p", isOpen: isOpen)) }
    rig.server.send(.deviceRemoved(id: "p"))
    #expect(hear(false))
    #expect(client.line()?.contains("DEVICE_DELETED") == true)
    rig.server.send(.portChanged(id: "p", isOpen: true))
    #expect(hear(true))
    rig.server.send(.portChanged(id: "p", isOpen: false))
    rig.machine.engine.tell(.ended(.poweredOff))
    #expect(hear(false))
  }
}
