import Chardev
import Host
import Synchronization
import TestSupport
import Testing
import Virtio
import VirtioConsole

/// The console's configuration space (virtio 1.2, 5.3.4).
@Suite struct ConfigurationTests {
  private final class Collected: Sendable {
    let bytes = Mutex<[UInt8]>([])
  }

  private let collected = Collected()

  private func makeDevice(maximumPorts: Int = 31) throws -> ConsoleDevice {
    let collected = collected
    return ConsoleDevice(
      ports: [], maximumPorts: maximumPorts, lock: DeviceLock(), remote: try EventLoop().remote,
      emergencyOutput: { byte in collected.bytes.withLock { $0.append(byte) } })
  }

  @Test("C1, C3: device id and features")
  func identity() throws {
    let device = try makeDevice()
    #expect(device.deviceID == 3)
    #expect(device.offeredFeatures.rawValue == 0b111)
    #expect(
      try makeDevice(maximumPorts: 1).offeredFeatures.rawValue == 0b101,
      "MULTIPORT only where there can be several ports")
  }

  @Test("C2: queues for the maximum of ports and the control channel")
  func queueCount() throws {
    #expect(try makeDevice(maximumPorts: 31).queueCount == 64)
    #expect(try makeDevice(maximumPorts: 1).queueCount == 4)
  }

  @Test("C4: cols, rows, max_nr_ports, emerg_wr")
  func layout() throws {
    let device = try makeDevice(maximumPorts: 0x1234)
    let bytes = (0..<device.configurationLength).map { device.readConfiguration(offset: $0) }
    #expect(bytes == [80, 0, 24, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0])
  }

  @Test("C5: the low byte of an emergency write goes out, at any time; other writes mean nothing")
  func emergencyWrite() throws {
    let device = try makeDevice()
    for offset in [0, 2, 4, 9, 11] {
      device.writeConfiguration(offset: offset, width: 1, value: 0x41)
    }
    device.writeConfiguration(offset: 8, width: 1, value: 0x41)
    device.writeConfiguration(offset: 8, width: 4, value: 0xffff_ff42)
    #expect(collected.bytes.withLock { $0 } == [0x41, 0x42])
  }
}
