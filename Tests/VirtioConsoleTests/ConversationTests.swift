import TestSupport
import Testing
import VirtioConsole

/// Random lives of ports, with a guest that gives buffers as it likes and believes only what it is
/// told: everything it hears must make sense to it (C7, C8, C9, O2, O3, O7), and be true in the end.
@Suite struct ConversationTests {
  typealias Message = MockConsoleDriver.Message

  /// What the guest knows of one port.
  private struct Known {
    var isReady = false
    var isConsole = false
    var name: [UInt8]?
    var isHostOpen = false
    var size: [UInt8]?
  }

  /// The host's and the guest's view of one device.
  private final class World {
    let driver: MockConsoleDriver
    var chardevs: [UInt32: ScriptedChardev] = [:]
    var configurations: [UInt32: PortConfiguration] = [:]
    var known: [UInt32: Known] = [:]
    var sizes: [UInt32: [UInt8]] = [:]
    var nextName = 0
    var buffersGiven = 0
    var generator: SeededGenerator
    var complaint: String?

    init(seed: UInt64) throws {
      generator = SeededGenerator(seed: seed)
      driver = try MockConsoleDriver(names: [], maximumPorts: 8, lastPort: 7)
    }

    func start() {
      known = [:]
      buffersGiven = 0
      driver.start(lastPort: 7)
      driver.sendControl(port: .max, event: 0, value: 1)
    }

    func random(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }

    func step() throws {
      switch random(12) {
      case 0, 1: try add()
      case 2: try remove()
      case 3, 4, 5: toggleClient()
      case 6: resize()
      case 7, 8: giveBuffers(random(3))
      case 9, 10: listen()
      default:
        guard random(20) == 0 else { return }
        driver.reset()
        start()
      }
    }

    private func add() throws {
      guard chardevs.count < 6 else { return }
      let chardev = ScriptedChardev()
      let isConsole = random(2) == 0
      nextName += 1
      let configuration = PortConfiguration(
        name: random(4) == 0 ? "" : "name.\(nextName)", isConsole: isConsole)
      let number = try driver.device.addPort(configuration, chardev: chardev)
      chardevs[number] = chardev
      configurations[number] = configuration
    }

    private func remove() throws {
      guard let number = chardevs.keys.sorted().randomElement(using: &generator) else { return }
      try driver.device.removePort(number: number)
      chardevs[number] = nil
      configurations[number] = nil
      sizes[number] = nil
    }

    private func toggleClient() {
      guard let number = chardevs.keys.sorted().randomElement(using: &generator),
        let chardev = chardevs[number]
      else { return }
      if chardev.isConnected { chardev.disconnect() } else { chardev.connect() }
    }

    /// Buffers come back once they have been listened to, so after these the guest is seldom short.
    private func giveBuffers(_ count: Int) {
      guard buffersGiven < 20 else { return }
      buffersGiven += count
      driver.fillControlQueue(count: count)
    }

    private func resize() {
      guard let number = chardevs.keys.sorted().randomElement(using: &generator) else { return }
      let (columns, rows) = (UInt8(random(200) + 1), UInt8(random(200) + 1))
      chardevs[number]?.resize(columns: UInt16(columns), rows: UInt16(rows))
      if configurations[number]?.isConsole == true { sizes[number] = [columns, 0, rows, 0] }
    }

    /// The guest takes what has come, and answers additions, though not always at once.
    func listen() {
      for message in driver.takeMessages() { hear(message) }
      for number in known.keys.sorted() where known[number]?.isReady == false {
        known[number]?.isReady = true
        driver.sendControl(port: number, event: 3, value: 1)
      }
    }

    private func hear(_ message: Message) {
      func expect(_ condition: Bool, _ text: String) {
        if !condition, complaint == nil { complaint = "\(text): \(message)" }
      }
      guard message.event != 1 else {
        expect(known[message.port] == nil, "C7: added twice")
        expect(message.port < 8, "C7: out of range")
        return known[message.port] = Known()
      }
      guard var port = known[message.port] else {
        return expect(false, "O3, C8: a port the guest does not know")
      }
      if message.event != 2 { expect(port.isReady, "O2: before PORT_READY") }
      switch message.event {
      case 2: return known[message.port] = nil
      case 4:
        expect(!port.isConsole && port.name == nil && !port.isHostOpen, "O2: CONSOLE_PORT first")
        port.isConsole = true
      case 5:
        expect(port.isConsole, "O2: RESIZE before CONSOLE_PORT")
        port.size = message.payload
      case 6:
        expect(port.isHostOpen != (message.value == 1), "told twice")
        port.isHostOpen = message.value == 1
      case 7:
        expect(!port.isHostOpen, "O2: the name comes before the client")
        port.name = message.payload
      default: expect(false, "only a driver may say this")
      }
      known[message.port] = port
    }

    /// Lets the guest hear everything, and compares.
    func expectTruth() {
      for _ in 0..<3 {
        driver.fillControlQueue()
        listen()
      }
      #expect(Set(known.keys) == Set(chardevs.keys))
      for (number, port) in known {
        let configuration = configurations[number]
        #expect(port.isHostOpen == chardevs[number]?.isConnected)
        #expect(port.isConsole == configuration?.isConsole)
        #expect(port.name ?? [] == configuration.map { Array($0.name.utf8) })
        #expect(port.size == sizes[number])
      }
      #expect(complaint == nil)
      #expect(driver.notifier.faults.isEmpty)
    }
  }

  @Test(
    "Whatever happens, the guest can follow, and knows the truth in the end",
    arguments: 1...12 as ClosedRange<UInt64>)
  func randomLives(seed: UInt64) throws {
    let world = try World(seed: seed)
    world.start()
    for _ in 0..<400 { try world.step() }
    world.expectTruth()
  }
}
