import TestSupport
import Testing
import Virtio
import VirtioConsole

/// The control channel's conversation, rule by rule (virtio 1.2, 5.3.6).
@Suite struct HandshakeTests {
  typealias Message = MockConsoleDriver.Message
  static let add: UInt16 = 1
  static let ready: UInt16 = 3
  static let console: UInt16 = 4
  static let open: UInt16 = 6
  static let name: UInt16 = 7

  @Test("O1: nothing is sent before DEVICE_READY")
  func silentBeforeDeviceReady() throws {
    let driver = try MockConsoleDriver(names: ["a", "b"])
    driver.start(lastPort: 2)
    driver.fillControlQueue()
    driver.chardevs[0].connect()
    #expect(driver.takeMessages() == [])
    driver.sendControl(port: .max, event: 0, value: 0)
    #expect(driver.takeMessages() == [], "DEVICE_READY with value 0 is a failure, not readiness")
  }

  @Test("O2: ADD, then after PORT_READY: CONSOLE_PORT, NAME, OPEN")
  func orderOfMessages() throws {
    let driver = try MockConsoleDriver(names: ["a", "con"], consoles: [1])
    for chardev in driver.chardevs { chardev.connect() }
    driver.start(lastPort: 2)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    #expect(driver.takeMessages() == [Message(0, Self.add, 1), Message(1, Self.add, 1)])
    driver.sendControl(port: 0, event: Self.ready, value: 1)
    #expect(
      driver.takeMessages() == [
        Message(0, Self.console, 1), Message(0, Self.name, 1, Array("con".utf8)),
        Message(0, Self.open, 1),
      ])
    driver.sendControl(port: 1, event: Self.ready, value: 1)
    #expect(
      driver.takeMessages() == [
        Message(1, Self.name, 1, Array("a".utf8)), Message(1, Self.open, 1),
      ])
  }

  @Test("No OPEN for a port whose client is not there; OPEN and CLOSE as it comes and goes")
  func hostSideOpensAndCloses() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    #expect(!driver.bringUp().contains { $0.event == Self.open })
    driver.chardevs[0].connect()
    #expect(driver.takeMessages() == [Message(1, Self.open, 1)])
    driver.chardevs[0].disconnect()
    #expect(driver.takeMessages() == [Message(1, Self.open, 0)])
  }

  @Test("H1: a host side faster than the guest is coalesced, in order, ending in the truth")
  func coalescesHostChanges() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.bringUp()
    driver.chardevs[0].connect()
    #expect(driver.takeMessages() == [Message(1, Self.open, 1)])
    for _ in 0..<5 {
      driver.chardevs[0].disconnect()
      driver.chardevs[0].connect()
    }
    // The guest had 16 buffers, so it may have been told of each change; never of two alike in a row.
    let values = driver.takeMessages().map(\.value)
    #expect(values.last == 1)
    #expect(zip(values, values.dropFirst()).allSatisfy { $0 != $1 })
    #expect(values.first == 0)
  }

  @Test("The same with a guest that gives no buffers at all: one close, one open")
  func coalescesWithoutBuffers() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.start(lastPort: 1)
    driver.fillControlQueue(count: 3)
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.sendControl(port: 1, event: Self.ready, value: 1)
    driver.chardevs[0].connect()  // the third buffer: OPEN 1
    for _ in 0..<1000 {
      driver.chardevs[0].disconnect()
      driver.chardevs[0].connect()
    }
    #expect(
      driver.takeMessages() == [
        Message(1, Self.add, 1), Message(1, Self.name, 1, [97]), Message(1, Self.open, 1),
        Message(1, Self.open, 0), Message(1, Self.open, 1),
      ])
  }

  @Test("O7: messages for more ports than the queue has buffers are all delivered, in order")
  func losesNoMessage() throws {
    let names = (0..<100).map { "port.\($0)" }
    let driver = try MockConsoleDriver(names: names)
    for chardev in driver.chardevs { chardev.connect() }
    let seen = driver.bringUp()
    #expect(seen.filter { $0.event == Self.add }.map(\.port) == (1...100).map { $0 })
    let named = seen.filter { $0.event == Self.name }
    #expect(Set(named.map { String(decoding: $0.payload, as: UTF8.self) }) == Set(names))
    #expect(seen.filter { $0.event == Self.open }.count == 100)
  }

  @Test("C7: a second DEVICE_READY adds no port twice")
  func addsNoPortTwice() throws {
    let driver = try MockConsoleDriver(names: ["a", "b"])
    driver.bringUp()
    for _ in 0..<100 { driver.sendControl(port: .max, event: 0, value: 1) }
    #expect(driver.takeMessages() == [])
  }

  @Test("O4: PORT_READY without DEVICE_READY, as after sleep, is answered from the configuration")
  func answersPortReadyAfterSleep() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.bringUp()
    driver.chardevs[0].connect()
    driver.reset()
    driver.start(lastPort: 1)
    driver.fillControlQueue()
    driver.sendControl(port: 1, event: Self.ready, value: 1)
    #expect(
      driver.takeMessages() == [Message(1, Self.name, 1, [97]), Message(1, Self.open, 1)])
  }

  @Test("A guest that says PORT_READY again still hears that the host has left")
  func portReadyAgainKeepsTheClose() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.start(lastPort: 1)
    driver.fillControlQueue(count: 3)
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.sendControl(port: 1, event: Self.ready, value: 1)
    driver.chardevs[0].connect()  // the third and last buffer: OPEN 1
    driver.chardevs[0].disconnect()
    driver.sendControl(port: 1, event: Self.ready, value: 1)
    let messages = driver.takeMessages()
    #expect(messages.last == Message(1, Self.open, 0))
  }

  @Test("A port the guest could not set up hears nothing more")
  func portReadyZero() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.start(lastPort: 1)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.sendControl(port: 1, event: Self.ready, value: 0)
    driver.chardevs[0].connect()
    #expect(driver.takeMessages() == [Message(1, Self.add, 1)])
  }

  @Test("O13: after a reset the driver starts over; the client stays connected")
  func startsOverAfterReset() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.chardevs[0].connect()
    let first = driver.bringUp()
    driver.reset()
    #expect(driver.chardevs[0].isConnected)
    #expect(driver.bringUp() == first)
  }

  @Test("A control buffer too small for its message is returned empty, and the message kept")
  func smallControlBuffers() throws {
    let driver = try MockConsoleDriver(names: ["a.long.name"], controlBufferBytes: 8)
    driver.start(lastPort: 1)
    driver.fillControlQueue(count: 4)
    driver.sendControl(port: .max, event: 0, value: 1)
    driver.sendControl(port: 1, event: Self.ready, value: 1)
    let used = driver.queues[ControlChannelQueue.receive]?.takeUsed() ?? []
    #expect(used.map(\.length) == [8, 0, 0, 0])
    driver.queues[ControlChannelQueue.receive]?.publish([.init(0x500_0000, 64, writable: true)])
    driver.kick(ControlChannelQueue.receive)
    #expect(driver.queues[ControlChannelQueue.receive]?.takeUsed().map(\.length) == [19])
  }
}
