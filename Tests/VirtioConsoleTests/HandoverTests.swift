import Host
import TestSupport
import Testing

@testable import VirtioConsole

/// Clients that follow each other, where the guest is to notice: `gap` and `drain`.
@Suite(.timeLimit(.minutes(1)))
struct HandoverTests {
  typealias Message = MockConsoleDriver.Message

  private static let close = Message(1, 6, 0)
  private static let open = Message(1, 6, 1)

  /// A driver with one channel that the guest has open, and a client.
  private func makeDriver(_ change: (inout PortPolicy) -> Void) throws -> MockConsoleDriver {
    var policy = PortPolicy()
    change(&policy)
    let driver = try MockConsoleDriver(names: ["a"], policy: policy)
    driver.chardevs[0].connect()
    driver.bringUp()
    return driver
  }

  /// Lets the loop turn for so long; returns the messages that came.
  @discardableResult
  private func run(_ driver: MockConsoleDriver, for duration: Int) -> [Message] {
    let end = milliseconds() + duration
    var messages: [Message] = []
    while milliseconds() < end {
      driver.loop.turn(timeoutMilliseconds: 1)
      messages += driver.takeMessages()
    }
    return messages
  }

  private func nextMessages(_ driver: MockConsoleDriver) -> [Message] {
    var messages: [Message] = []
    #expect(
      driver.loop.turn {
        messages += driver.takeMessages()
        return !messages.isEmpty
      })
    return messages
  }

  // MARK: gap

  @Test(
    "gap: the next client is there for the guest when it has taken the close, and that long after")
  func gap() throws {
    let driver = try makeDriver { $0.gapMilliseconds = 60 }
    let chardev = driver.chardevs[0]
    driver.offerReceiveBuffer(port: 1, slot: 0)
    chardev.disconnect()
    chardev.connect()
    chardev.send([1])
    // The guest has the message, and does not look at it.
    let idle = milliseconds() + 200
    while milliseconds() < idle { driver.loop.turn(timeoutMilliseconds: 5) }
    #expect(driver.takeReceived(port: 1) == [])
    let taken = milliseconds()
    #expect(driver.takeMessages() == [Self.close])
    #expect(nextMessages(driver) == [Self.open])
    #expect(milliseconds() - taken >= 60)
    #expect(driver.takeReceived(port: 1) == [[1]])
    driver.send([2], port: 1)
    #expect(chardev.received == [2])
  }

  @Test("gap: what the guest writes during it is not the client's before it is there; then it is")
  func gapKeeps() throws {
    let driver = try makeDriver { $0.gapMilliseconds = 30 }
    let chardev = driver.chardevs[0]
    chardev.disconnect()
    chardev.connect()
    driver.send([1], port: 1)
    #expect(chardev.received == [])
    #expect(driver.takeMessages() == [Self.close])
    #expect(nextMessages(driver) == [Self.open])
    #expect(chardev.received == [1])
  }

  @Test("gap: of clients that come and go during it the guest sees the last alone")
  func gapCoalesces() throws {
    let driver = try makeDriver { $0.gapMilliseconds = 30 }
    let chardev = driver.chardevs[0]
    for _ in 0..<5 {
      chardev.disconnect()
      chardev.connect()
    }
    #expect(driver.takeMessages() == [Self.close])
    #expect(nextMessages(driver) == [Self.open])
    #expect(run(driver, for: 100) == [])
    chardev.disconnect()
    #expect(driver.takeMessages() == [Self.close])
    #expect(run(driver, for: 100) == [], "and no client is no client")
    chardev.connect()
    #expect(driver.takeMessages() == [Self.open], "long after the close at once")
  }

  @Test("gap: a pause is no time in which a guest could notice")
  func gapAndPause() throws {
    let driver = try makeDriver { $0.gapMilliseconds = 40 }
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    #expect(driver.takeMessages() == [Self.close])
    driver.device.pause()
    #expect(run(driver, for: 100) == [])
    driver.device.resume()
    driver.settle()
    #expect(driver.takeMessages() == [])
    #expect(nextMessages(driver) == [Self.open])
  }

  @Test("gap: without a guest that has the port open nothing is waited for")
  func gapOfAClosedPort() throws {
    let driver = try makeDriver { $0.gapMilliseconds = 60_000 }
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    driver.settle()
    driver.sendControl(port: 1, event: 6, value: 0)
    #expect(driver.takeMessages() == [Self.close, Self.open])
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    driver.settle()
    #expect(driver.takeMessages() == [Self.close, Self.open])
    driver.sendControl(port: 1, event: 6, value: 1)
    driver.offerReceiveBuffer(port: 1, slot: 0)
    driver.chardevs[0].send([5])
    #expect(driver.takeReceived(port: 1) == [[5]])
  }

  // MARK: drain

  private func makeDraining(_ milliseconds: Int) throws -> MockConsoleDriver {
    try makeDriver { ($0.drainMilliseconds, $0.onHostClose) = (milliseconds, .discard) }
  }

  @Test(
    "drain: a guest that writes on is not told, and rid of its bytes; then it is, and hears the next"
  )
  func drain() throws {
    let driver = try makeDraining(80)
    let chardev = driver.chardevs[0]
    driver.offerReceiveBuffer(port: 1, slot: 0)
    chardev.writeRoom = 1
    driver.send([1, 2, 3], port: 1)
    chardev.disconnect()
    chardev.writeRoom = .max
    chardev.connect()
    chardev.send([9])
    var (written, returned) = (0, 0)
    let end = milliseconds() + 300
    while milliseconds() < end {
      driver.send([4, 5], port: 1)
      written += 1
      returned += driver.queues[5]?.takeUsed().count ?? 0
      #expect(driver.takeMessages() == [])
      driver.loop.turn(timeoutMilliseconds: 5)
    }
    #expect(returned == written + 1, "nothing holds the guest back")
    #expect(driver.device.portStatistics[0].bytesDiscarded == UInt64(2 + 2 * written))
    #expect(driver.takeReceived(port: 1) == [])
    #expect(nextMessages(driver) == [Self.close, Self.open])
    #expect(driver.takeReceived(port: 1) == [[9]])
    driver.send([6], port: 1)
    #expect(chardev.takeReceived() == [1, 6])
    #expect(driver.device.portStatistics[0].connectionCount == 2)
  }

  @Test("drain: without a next client the guest is told when it pauses")
  func drainAlone() throws {
    let driver = try makeDraining(30)
    driver.chardevs[0].disconnect()
    #expect(driver.takeMessages() == [])
    #expect(nextMessages(driver) == [Self.close])
    #expect(run(driver, for: 60) == [])
  }

  @Test("drain and gap: the guest pauses, is told, and has its time")
  func drainAndGap() throws {
    let driver = try makeDriver {
      ($0.drainMilliseconds, $0.onHostClose, $0.gapMilliseconds) = (30, .discard, 30)
    }
    driver.chardevs[0].disconnect()
    driver.chardevs[0].connect()
    driver.send([1], port: 1)
    #expect(nextMessages(driver) == [Self.close])
    driver.send([2], port: 1)
    #expect(nextMessages(driver) == [Self.open])
    driver.send([3], port: 1)
    #expect(driver.chardevs[0].received == [3])
  }

  @Test("drain: a guest that closes the port ends it; what it left is not the next client's")
  func drainEndsWithTheGuest() throws {
    let driver = try makeDriver {
      ($0.drainMilliseconds, $0.onHostClose, $0.onGuestClose) = (60_000, .discard, .close)
    }
    let chardev = driver.chardevs[0]
    chardev.disconnect()
    chardev.connect()
    driver.device.pause()
    driver.send([1, 2], port: 1)
    driver.sendControl(port: 1, event: 6, value: 0)
    driver.device.resume()
    driver.settle()
    #expect(driver.takeMessages() == [Self.close, Self.open])
    #expect(chardev.received == [])
    #expect(chardev.disconnections == 0, "it was another client's guest that closed")
    driver.sendControl(port: 1, event: 6, value: 1)
    driver.send([3], port: 1)
    #expect(chardev.received == [3])
  }

  @Test("drain: ten seconds are the longest that a guest keeps the next client waiting")
  func drainHasAnEnd() {
    var policy = PortPolicy()
    policy.drainMilliseconds = 500
    var handover = Handover(policy)
    let begins = handover.beginDraining(at: 0)
    #expect(begins)
    var now: Int64 = 0
    while handover.advance(at: now, hasTakenClose: false) == .wait, now < 60_000_000_000 {
      handover.noteWrite(at: now)
      now += 100_000_000
    }
    #expect(now == 10_000_000_000)
  }

  // MARK: Whatever happens

  @Test(
    "Whatever the two sides do, in the end the guest knows what is the case, and bytes flow",
    arguments: 0..<8)
  func endsInTheTruth(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let driver = try makeDriver {
      ($0.gapMilliseconds, $0.drainMilliseconds, $0.onHostClose) = (2, 2, .discard)
    }
    let chardev = driver.chardevs[0]
    var isOpen = true
    var isPaused = false
    var told: [UInt16] = [1]
    func note(_ messages: [Message]) { told += messages.filter { $0.event == 6 }.map(\.value) }
    for _ in 0..<400 {
      switch Int.random(in: 0..<9, using: &random) {
      case 0...2: if chardev.isConnected { chardev.disconnect() } else { chardev.connect() }
      case 3:
        isOpen.toggle()
        driver.sendControl(port: 1, event: 6, value: isOpen ? 1 : 0)
      case 4: driver.send([1], port: 1)
      case 5 where !isPaused:
        driver.reset()
        told = []
        note(driver.bringUp())
        isOpen = true
      case 6:
        isPaused.toggle()
        if isPaused { driver.device.pause() } else { driver.device.resume() }
      default: driver.loop.turn(timeoutMilliseconds: 3)
      }
      _ = driver.queues[5]?.takeUsed()
      note(driver.takeMessages())
    }
    if isPaused { driver.device.resume() }
    if !isOpen { driver.sendControl(port: 1, event: 6, value: 1) }
    if !chardev.isConnected { chardev.connect() }
    note(run(driver, for: 150))
    #expect(told.last == 1)
    #expect(zip(told, told.dropFirst()).allSatisfy { $0 != $1 }, "never two alike in a row")
    _ = chardev.takeReceived()
    driver.send([7], port: 1)
    #expect(chardev.takeReceived() == [7])
    driver.offerReceiveBuffer(port: 1, slot: 0)
    chardev.send([8])
    #expect(driver.takeReceived(port: 1) == [[8]])
  }
}
