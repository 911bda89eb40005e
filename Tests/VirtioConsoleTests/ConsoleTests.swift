import CKVM
import Chardev
import Glibc
import GuestMemory
import Host
import Synchronization
import TestSupport
import Testing
import Virtio
import VirtioConsole

/// Consoles: they never hold their guest, and know their terminal's size.
@Suite struct ConsoleTests {
  typealias Message = MockConsoleDriver.Message

  private func makeDriver(
    _ overflow: PortPolicy.Overflow = .dropNewest, resizeOrder: ResizeOrder = .specification,
    onOutput: (@Sendable (KernelFault) -> Void)? = nil
  ) throws -> MockConsoleDriver {
    var policy = PortPolicy()
    policy.overflow = overflow
    return try MockConsoleDriver(
      names: ["", ""], consoles: [0, 1], policy: policy, resizeOrder: resizeOrder,
      onConsoleOutput: onOutput)
  }

  // MARK: Overflow

  /// Sends 200 000 bytes through console 0, whose client does not read; returns them.
  private func overflow(_ driver: MockConsoleDriver) -> [UInt8] {
    let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 97) }
    for (slot, start) in stride(from: 0, to: bytes.count, by: 10_000).enumerated() {
      driver.send(Array(bytes[start..<(start + 10_000)]), port: 0, slot: slot)
      #expect(driver.queues[1]?.takeUsed().count == 1, "O6: returned at once")
    }
    return bytes
  }

  @Test("overflow=drop-newest: what comes first is kept; the rest is dropped and counted")
  func dropNewest() throws {
    let driver = try makeDriver(.dropNewest)
    driver.bringUp()
    let bytes = overflow(driver)
    #expect(driver.device.portStatistics[0].bytesDropped == 200_000 - 65536)
    driver.chardevs[0].connect()
    #expect(driver.chardevs[0].received == Array(bytes.prefix(65536)))
    #expect(driver.device.portStatistics[0].bytesToHost == 65536)
  }

  @Test("overflow=drop-oldest: the last bytes are kept")
  func dropOldest() throws {
    let driver = try makeDriver(.dropOldest)
    driver.chardevs[0].connect()
    driver.chardevs[0].writeRoom = 100
    driver.bringUp()
    let bytes = overflow(driver)
    #expect(driver.chardevs[0].takeReceived() == Array(bytes.prefix(100)))
    #expect(driver.device.portStatistics[0].bytesDropped == 200_000 - 100 - 65536)
    driver.chardevs[0].takeMore(.max)
    #expect(driver.chardevs[0].received == Array(bytes.suffix(65536)))
    #expect(!driver.chardevs[0].wantsWritable)
  }

  @Test("overflow=wait: the guest's buffers wait for a reader that is slow, and nothing is dropped")
  func waits() throws {
    let driver = try makeDriver(.wait)
    driver.chardevs[0].connect()
    driver.chardevs[0].writeRoom = 100
    driver.bringUp()
    driver.send([UInt8](repeating: 7, count: 10_000), port: 0)
    #expect(driver.queues[1]?.takeUsed().isEmpty == true)
    #expect(driver.device.statistics.ports[0].isThrottled)
    driver.chardevs[0].takeMore(9_900)
    #expect(driver.queues[1]?.takeUsed().count == 1)
    #expect(driver.chardevs[0].received == [UInt8](repeating: 7, count: 10_000))
    #expect(driver.device.portStatistics[0].bytesDropped == 0)
    #expect(!driver.device.statistics.ports[0].hasLostOutput)
  }

  @Test("overflow=wait: without a reader the guest is not held")
  func waitsForReadersOnly() throws {
    let driver = try makeDriver(.wait)
    driver.bringUp()
    _ = overflow(driver)
    #expect(driver.device.portStatistics[0].bytesDropped == 200_000 - 65536)
  }

  @Test(
    "What a reader was too slow for is lost, unless the oldest was to be dropped or there is no reader",
    arguments: [
      (.dropNewest, true, true), (.dropNewest, false, false), (.dropOldest, true, false),
    ] as [(PortPolicy.Overflow, Bool, Bool)])
  func tellsOfLosses(overflow policy: PortPolicy.Overflow, hasReader: Bool, isLost: Bool) throws {
    let driver = try makeDriver(policy)
    if hasReader { driver.chardevs[0].connect() }
    driver.chardevs[0].writeRoom = 0
    driver.bringUp()
    _ = overflow(driver)
    #expect(driver.device.statistics.ports.map(\.hasLostOutput) == [isLost, false])
  }

  @Test(
    "What a kernel says of a panic or an oops is read however it is cut, and nothing else is",
    arguments: [1, 2, 3, 5, 64])
  func readsKernelMessages(size: Int) throws {
    let told = Told()
    let driver = try makeDriver(onOutput: { told.add($0) })
    driver.chardevs[0].connect()
    driver.bringUp()
    func say(_ text: String) -> KernelFault? {
      told.clear()
      let bytes = Array((text + "\n").utf8)
      for start in stride(from: 0, to: bytes.count, by: size) {
        driver.send(Array(bytes[start..<min(start + size, bytes.count)]), port: 0)
        _ = driver.queues[1]?.takeUsed()
      }
      return told.gravest
    }
    #expect(say("[ 1.0] Kernel panic - not syncing: Fatal exception") == .panic)
    #expect(say("KKernel panKernel panic - not syncing") == .panic)
    #expect(say("general protection fault, maybe: 0000 [#1] PREEMPT SMP") == .oops)
    #expect(say("BUG: unable; Oops: : 00fA [#12]") == .oops)
    #expect(say("Oops: 0002 [#1], then Kernel panic - not syncing") == .panic)
    #expect(say("Kernel panic - not  syncing, : 000g [#1], :0002 [#1]") == KernelFault.none)
    #expect(say("") == KernelFault.none)
  }

  @Test("What a console said before the guest crashed reaches a client that comes later")
  func backlogOutlastsReset() throws {
    let driver = try makeDriver(.dropOldest)
    driver.bringUp()
    driver.send(Array("last words".utf8), port: 0)
    driver.reset()
    driver.chardevs[0].connect()
    #expect(driver.chardevs[0].received == Array("last words".utf8))
  }

  @Test("A slow client gets the backlog in pieces, then what follows, in order")
  func slowClient() throws {
    let driver = try makeDriver()
    driver.chardevs[0].connect()
    driver.chardevs[0].writeRoom = 0
    driver.bringUp()
    driver.send([1, 2, 3, 4], port: 0)
    for byte: UInt8 in 5...8 {
      driver.chardevs[0].takeMore(1)
      driver.send([byte], port: 0)
    }
    driver.chardevs[0].takeMore(.max)
    #expect(driver.chardevs[0].received == Array(1...8))
  }

  @Test("What is left of the backlog when the machine ends is counted as dropped")
  func backlogAtTheEnd() throws {
    let driver = try makeDriver()
    driver.bringUp()
    driver.send([1, 2, 3], port: 0)
    #expect(!driver.device.flush(), "no client is there to take it")
    driver.device.detach()
    #expect(driver.device.portStatistics[0].bytesDropped == 3)
    #expect(driver.chardevs[0].delegate == nil)
  }

  @Test("A console that is unplugged without a driver offers its backlog once more")
  func backlogOfARemovedPort() throws {
    let driver = try makeDriver()
    driver.chardevs[0].connect()
    driver.chardevs[0].writeRoom = 0
    driver.bringUp()
    driver.send([1, 2, 3], port: 0)
    driver.reset()
    driver.chardevs[0].writeRoom = .max
    try driver.device.removePort(number: 0)
    #expect(driver.chardevs[0].received == [1, 2, 3])
  }

  // MARK: Size

  @Test("O2, O10: RESIZE after CONSOLE_PORT, for every console, and again at every change")
  func resizeMessages() throws {
    let driver = try makeDriver()
    driver.chardevs[0].resize(columns: 100, rows: 30)
    driver.chardevs[1].resize(columns: 0x201, rows: 0x403)
    let seen = driver.bringUp()
    #expect(seen.filter { $0.port == 0 }.map(\.event) == [1, 4, 5])
    #expect(seen.last { $0.port == 0 }?.payload == [100, 0, 30, 0])
    #expect(seen.last { $0.port == 1 }?.payload == [1, 2, 3, 4], "O11: columns, then rows")
    driver.chardevs[1].resize(columns: 80, rows: 25)
    driver.chardevs[1].resize(columns: 80, rows: 25)
    driver.chardevs[1].resize(columns: 81, rows: 25)
    #expect(
      driver.takeMessages() == [
        Message(1, 5, 1, [80, 0, 25, 0]), Message(1, 5, 1, [81, 0, 25, 0]),
      ])
  }

  @Test("O2: a size that changes before the guest is ready is told once, after CONSOLE_PORT")
  func resizeBeforeReady() throws {
    let driver = try makeDriver()
    driver.start(lastPort: 1)
    driver.fillControlQueue()
    driver.sendControl(port: .max, event: 0, value: 1)
    for columns: UInt16 in 1...100 { driver.chardevs[0].resize(columns: columns, rows: 5) }
    #expect(driver.takeMessages().map(\.event) == [1, 1])
    driver.sendControl(port: 0, event: 3, value: 1)
    #expect(driver.takeMessages() == [Message(0, 4, 1), Message(0, 5, 1, [100, 0, 5, 0])])
  }

  @Test("O11: older Linux kernels read rows first")
  func legacyOrder() throws {
    let driver = try makeDriver(resizeOrder: .legacy)
    driver.chardevs[0].resize(columns: 100, rows: 30)
    #expect(driver.bringUp().last { $0.event == 5 }?.payload == [30, 0, 100, 0])
    #expect(driver.device.readConfiguration(offset: 0) == 100, "the fields have one order only")
  }

  @Test("C6: port 0's size in the configuration, with a notification, no message without MULTIPORT")
  func configurationFields() throws {
    let driver = try makeDriver()
    driver.chardevs[0].resize(columns: 60, rows: 10)
    #expect(driver.device.configurationChanges == 1, "P7: it counts before a driver is there")
    driver.start(lastPort: 1, features: [.version1, ConsoleDevice.sizeFeature])
    driver.chardevs[1].resize(columns: 70, rows: 20)
    #expect(driver.notifier.configurationChanges == 0, "the fields are port 0's")
    driver.chardevs[0].resize(columns: 0x102, rows: 0x304)
    #expect(driver.notifier.configurationChanges == 1)
    #expect((0..<4).map { driver.device.readConfiguration(offset: $0) } == [2, 1, 4, 3])
    driver.fillControlQueue()
    #expect(driver.takeMessages() == [])
  }

  @Test("C6: with MULTIPORT port 0's size goes both ways; without F_SIZE neither")
  func sizeFeature() throws {
    let driver = try makeDriver()
    driver.bringUp()
    driver.chardevs[0].resize(columns: 10, rows: 20)
    #expect(driver.notifier.configurationChanges == 1)
    #expect(driver.takeMessages().map(\.event) == [5])
    driver.reset()
    driver.bringUp(features: [.version1, ConsoleDevice.multiportFeature])
    driver.chardevs[0].resize(columns: 11, rows: 20)
    #expect(driver.notifier.configurationChanges == 1)
    #expect(driver.takeMessages() == [])
  }

  @Test("Only consoles have a size")
  func channelsHaveNoSize() throws {
    let driver = try MockConsoleDriver(names: ["a"])
    driver.bringUp()
    driver.chardevs[0].resize(columns: 1, rows: 2)
    #expect(driver.takeMessages() == [])
    #expect(driver.device.readConfiguration(offset: 0) == 80)
    #expect(driver.device.configurationChanges == 0)
  }

  @Test("A size known when the port is added, and one that a reset does not forget")
  func sizeSurvivesReset() throws {
    let driver = try makeDriver()
    driver.chardevs[0].resize(columns: 90, rows: 40)
    let first = driver.bringUp()
    driver.reset()
    #expect(driver.bringUp() == first)
    let chardev = ScriptedChardev()
    chardev.resize(columns: 3, rows: 4)
    try driver.device.addPort(PortConfiguration(name: "", isConsole: true), chardev: chardev)
    driver.settle()
    #expect(driver.answerAdditions().map(\.event) == [1, 4, 5])
  }

  // MARK: Emergency write

  @Test("C5: emergency writes before any driver, while it runs, and when the device needs a reset")
  func emergencyWrites() throws {
    let bytes = Mutex<[UInt8]>([])
    let device = ConsoleDevice(
      ports: [], maximumPorts: 2, lock: DeviceLock(), remote: try EventLoop().remote,
      emergencyOutput: { byte in bytes.withLock { $0.append(byte) } })
    let controller = VirtioDeviceState(
      device: device, memory: try GuestMemory(regions: [0..<0x10_0000]))
    let notifier = RecordingNotifier()
    notifier.controller = controller
    func write(_ byte: UInt8) {
      device.lock.withLock { device.writeConfiguration(offset: 8, width: 4, value: UInt64(byte)) }
    }
    write(1)
    device.lock.withLock {
      for status: DeviceStatus in [
        [.acknowledge], [.acknowledge, .driver], [.acknowledge, .driver, .featuresOK],
        [.acknowledge, .driver, .featuresOK, .driverOK],
      ] {
        controller.accept(.version1, within: .version1)
        controller.writeStatus(status, driver: notifier)
      }
    }
    write(2)
    device.lock.withLock {
      notifier.fail(QueueFault(queue: 0, violation: .headOutOfRange(1)))
    }
    #expect(controller.status.contains(.needsReset))
    write(3)
    #expect(bytes.withLock { $0 } == [1, 2, 3])
  }
}

private final class Told: Sendable {
  private let faults = Mutex<[KernelFault]>([])
  func add(_ fault: KernelFault) { faults.withLock { $0.append(fault) } }
  func clear() { faults.withLock { $0 = [] } }
  var gravest: KernelFault? { faults.withLock { $0.max() } }
}
