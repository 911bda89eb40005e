import Synchronization
import TestSupport
import Testing
import Virtio

@testable import VirtioConsole

/// What can be learnt of the device while it runs: reports of its ports, and a trace.
@Suite struct TraceTests {
  private final class Recorder: Sendable {
    private let events = Mutex<[TraceEvent]>([])

    func record(_ event: TraceEvent) { events.withLock { $0.append(event) } }

    /// The lines so far without their times, and forgets them.
    func take() -> [String] {
      events.withLock { events in
        defer { events = [] }
        return events.map { "\($0.direction.rawValue): \($0.text)" }
      }
    }

    var times: [Int64] { events.withLock { $0.map(\.time) } }
  }

  @Test("Every control message and change of state, in order, with direction and time")
  func conversation() throws {
    let recorder = Recorder()
    let driver = try MockConsoleDriver(names: ["org.a"], lastPort: 2) { recorder.record($0) }
    driver.bringUp(openPorts: false)
    driver.chardevs[0].connect()
    _ = driver.takeMessages()
    let times = recorder.times
    #expect(times == times.sorted() && (times.first ?? 0) > 0)
    #expect(
      recorder.take() == [
        "state: driver ready", "from guest: DEVICE_READY 1", "to guest: port 1: DEVICE_ADD 1",
        "from guest: port 1: PORT_READY 1", "to guest: port 1: PORT_NAME 1 'org.a'",
        "state: port 1: client connected", "to guest: port 1: PORT_OPEN 1",
      ])
    driver.sendControl(port: 1, event: 6, value: 1)
    driver.chardevs[0].writeRoom = 0
    driver.send([1], port: 1)
    driver.chardevs[0].takeMore(.max)
    driver.sendControl(port: 1, event: 6, value: 0)
    driver.chardevs[0].disconnect()
    #expect(
      recorder.take() == [
        "from guest: port 1: PORT_OPEN 1", "state: port 1: guest opened it",
        "state: port 1: throttled", "state: port 1: no longer throttled",
        "from guest: port 1: PORT_OPEN 0", "state: port 1: guest closed it",
        "state: port 1: client disconnected", "to guest: port 1: PORT_OPEN 0",
      ])
  }

  @Test("Ports added and removed, nonsense, broken queues, resets")
  func exceptions() throws {
    let recorder = Recorder()
    let driver = try MockConsoleDriver(names: ["a"], lastPort: 2) { recorder.record($0) }
    driver.bringUp()
    _ = recorder.take()
    try driver.device.addPort(PortConfiguration(name: ""), chardev: ScriptedChardev())
    try driver.device.removePort(number: 2)
    driver.sendControl(bytes: [1])
    driver.sendControl(port: 9, event: 3, value: 1)
    driver.queues[5]?.publish(head: 99)
    driver.kick(5)
    driver.reset()
    #expect(
      recorder.take() == [
        "state: port 2: added", "to guest: port 2: DEVICE_ADD 1", "state: port 2: removed",
        "to guest: port 2: DEVICE_REMOVE 1", "from guest: ignored: no message",
        "from guest: port 9: PORT_READY 1", "from guest: ignored: no such port",
        "state: needs reset: queue 5: \(RingViolation.headOutOfRange(99))",
      ])
    driver.bringUp()
    _ = recorder.take()
    driver.reset()
    #expect(recorder.take() == ["state: reset"])
  }

  @Test("Reports name each port, both sides' states and what went through")
  func reports() throws {
    let driver = try MockConsoleDriver(names: ["a", "con"], consoles: [1], numbers: [0: 5])
    driver.chardevs[0].connect()
    driver.bringUp()
    driver.send([1, 2, 3], port: 5)
    driver.offerReceiveBuffer(port: 5, slot: 0)
    driver.chardevs[0].send([4])
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    driver.chardevs[0].writeRoom = 0
    driver.send([5], port: 5)
    driver.send([6], port: 5)
    let reports = driver.device.statistics.ports
    #expect(reports.map(\.number) == [0, 5])
    #expect(reports.map(\.name) == ["con", "a"])
    #expect(reports.map(\.isConsole) == [true, false])
    #expect(reports.map(\.isOpenInGuest) == [true, true])
    #expect(reports.map(\.isOpenOnHost) == [false, true])
    #expect(reports.map(\.isThrottled) == [false, true])
    let counters = reports[1]
    #expect(counters.bytesToHost == 3 && counters.bytesToGuest == 1)
    #expect(counters.throttleCount == 1, "once, however often it is looked at")
    #expect(counters.connectionCount == 2)
    #expect(reports[1].transmitQueue.bufferCount == 1 && reports[1].transmitQueue.byteCount == 3)
    #expect(reports[1].transmitQueue.notificationCount == 3)
    #expect(reports[1].receiveQueue.bufferCount == 1 && reports[1].receiveQueue.byteCount == 1)
    driver.reset()
    #expect(driver.device.statistics.ports[1].bytesDiscarded == 2, "a reset took them away")
    let queue = driver.device.statistics.ports[1].transmitQueue
    #expect(queue.bufferCount == 3 && queue.byteCount == 5, "they count as sent")
    #expect(
      queue.notificationCount == 3
        && queue.interruptCount == reports[1].transmitQueue.interruptCount)
    #expect(driver.device.statistics.ports.map(\.isOpenInGuest) == [false, false])
    #expect(driver.device.statistics.ports[1].isOpenOnHost)
  }
}
