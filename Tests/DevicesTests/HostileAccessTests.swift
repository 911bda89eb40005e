import Devices
import TestSupport
import Testing

/// A guest that accesses every device at once in every way. Nothing may trap, no device may be reached
/// out of its range, and what grows must be bounded.
@Suite struct HostileAccessTests {
  @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
  func randomAttacker(seed: UInt64) throws {
    let platform = try Platform()
    var random = SeededGenerator(seed: seed)
    for _ in 0..<100_000 { platform.attack(using: &random) }
    platform.expectIntact()
  }

  @Test func attackersOnSeveralProcessors() async throws {
    let platform = try Platform()
    await withTaskGroup { group in
      for seed in 1...4 as ClosedRange<UInt64> {
        group.addTask {
          var random = SeededGenerator(seed: seed)
          for _ in 0..<20_000 { platform.attack(using: &random) }
        }
      }
    }
    platform.expectIntact()
  }

  /// Every width at every offset of every device, and one beyond, with all ones and all zeros.
  @Test func everyWidthAtEveryOffset() throws {
    let platform = try Platform()
    for port in UInt64(0)...0xffff {
      for width in [1, 2, 4] {
        _ = platform.ports.read(address: port, width: width)
        platform.ports.write(address: port, width: width, value: 0)
        platform.ports.write(address: port, width: width, value: .max)
        _ = platform.ports.read(address: port, width: width)
      }
    }
    for offset in UInt64(0)..<0x3000 {
      for width in 1...8 {
        let address = Platform.ecam.lowerBound + offset
        platform.memory.write(address: address, width: width, value: .max)
        _ = platform.memory.read(address: address, width: width)
      }
    }
    platform.expectIntact()
  }

  /// `rep outs` and `rep ins`: 4096 times the same port.
  @Test func stringAccesses() throws {
    let platform = try Platform()
    for port in [0x60, 0x64, 0x70, 0x71, 0x80, 0x3f8, 0x3fa, 0x604, 0xcf8, 0xcf9, 0xcfc, 0x9999]
      as [UInt64]
    {
      for width in [1, 2, 4] {
        for index in UInt64(0)..<4096 {
          platform.ports.write(address: port, width: width, value: index &* 0x0101_0101)
          _ = platform.ports.read(address: port, width: width)
        }
      }
    }
    platform.expectIntact()
  }
}

/// All devices of the module at their places.
private final class Platform: Sendable {
  static let ecam: Range<UInt64> = 0xe000_0000..<0xe010_0000
  static let fixedPorts: [UInt64] = [0x60, 0x64, 0x70, 0x80, 0x3f8, 0x600, 0xcf8]

  let ports = AddressSpace(name: "ports")
  let memory = AddressSpace(name: "memory")
  private let uart: UART
  private let power: PowerManagement
  private let functions: [TestFunction]

  init() throws {
    let line = RecordingLine()
    let router = RecordingRouter(limit: 6)
    let bus = PCIBus()
    uart = UART(interrupt: line, output: { _ in }, onInputSpace: {})
    power = PowerManagement(interrupt: line) {}
    let region = RecordingDevice(size: 0x8000)
    let (memory, ports) = (memory, ports)
    functions = (0..<3).map { _ in
      TestFunction(memory: memory, ports: ports, region: region, router: router, line: line)
    }
    try bus.add(HostBridge(), device: 0)
    for (index, function) in functions.enumerated() { try bus.add(function, device: index + 1) }
    try I8042 {}.attach(to: ports)
    try ports.add(0x70..<0x72, device: RealTimeClock())
    try ports.add(0x3f8..<0x400, device: uart)
    try ports.add(0x600..<0x606, device: power)
    try ports.add(0xcf8..<0xd00, device: PCIConfigurationPorts(bus: bus) {})
    try memory.add(Self.ecam, device: ECAM(bus: bus))
  }

  func attack(using random: inout SeededGenerator) {
    let width = Int.random(in: -1...9, using: &random)
    let value = wildValue(using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0, 1:
      let base = Self.fixedPorts.randomElement(using: &random) ?? 0
      let port = base &+ UInt64.random(in: 0..<10, using: &random)
      ports.write(address: port, width: width, value: value)
      _ = ports.read(address: port, width: width)
    case 2:
      // Aim mechanism #1 at something that is probably there.
      let target = UInt64.random(in: 0..<0x2400, using: &random) | 1 << 31
      ports.write(address: 0xcf8, width: 4, value: target)
      ports.write(address: 0xcfc + value % 4, width: width, value: value)
    case 3:
      let device = UInt64.random(in: 0..<5, using: &random) << 15
      let address = Self.ecam.lowerBound + device + UInt64.random(in: 0..<0x60, using: &random)
      memory.write(address: address, width: width, value: value)
      _ = memory.read(address: address, width: width)
    case 4:
      let address = wildValue(using: &random)
      memory.write(address: address, width: width, value: value)
      _ = memory.read(address: address, width: width)
      _ = ports.read(address: address, width: width)
    case 5:
      attackInterrupts(width, value, using: &random)
    case 6:
      _ = uart.receive([UInt8](repeating: 1, count: Int(value % 200)))
      #expect(0...64 ~= uart.inputSpace())
    default:
      power.pressPowerButton()
    }
  }

  private func attackInterrupts(_ width: Int, _ value: UInt64, using random: inout SeededGenerator)
  {
    guard let function = functions.randomElement(using: &random) else { return }
    let offset = Int.random(in: -8...96, using: &random)
    function.withMSIX { table in
      table.writeTable(offset: offset, width: width, value: value)
      _ = table.readTable(offset: offset, width: width)
      _ = table.readPendingBits(offset: offset, width: width)
      table.trigger(vector: offset)
      table.trigger(vector: Int(truncatingIfNeeded: value))
      if value % 97 == 0 { table.setControl(enabled: false, functionMasked: true) }
    }
    function.setInterrupt(value % 2 == 0)
  }

  private func wildValue(using random: inout SeededGenerator) -> UInt64 {
    let value = UInt64.random(in: 0...UInt64.max, using: &random)
    switch value % 6 {
    case 0: return 0
    case 1: return .max
    case 2: return .max &- (value >> 56)
    case 3: return value >> 56
    case 4: return Self.ecam.lowerBound &+ (value >> 42)
    default: return value
    }
  }

  /// The fixed devices are where they were, whatever was moved onto them.
  func expectIntact() {
    ports.write(address: 0xcf8, width: 4, value: 0x8000_0000)
    #expect(ports.read(address: 0xcfc, width: 4) == 0x0d57_8086)
    #expect(memory.read(address: Self.ecam.lowerBound, width: 4) == 0x0d57_8086)
    #expect(ports.read(address: 0x64, width: 1) == 0)
    ports.write(address: 0x70, width: 1, value: 0x0d)
    #expect(ports.read(address: 0x71, width: 1) == 0x80)
    #expect(ports.read(address: 0x604, width: 1) == 1)
    ports.write(address: 0x3ff, width: 1, value: 0x5a)
    #expect(ports.read(address: 0x3ff, width: 1) == 0x5a)
  }
}
