import Devices
import Testing

@Suite struct PCIBusTests {
  let bus = PCIBus()

  @Test func placesAreTakenOnce() throws {
    let bridge = HostBridge()
    try bus.add(bridge, device: 0)
    #expect(throws: PCIBusError.occupied(0)) { try bus.add(HostBridge(), device: 0) }
    for device in [-1, 32, Int.max, Int.min] {
      #expect(throws: PCIBusError.noSuchDevice(device)) { try bus.add(bridge, device: device) }
      #expect(bus.function(device: device) == nil)
      #expect(bus.remove(device: device) == nil)
    }
    try bus.add(HostBridge(), device: 31)
    #expect(bus.function(device: 0) === bridge)
    #expect(bus.remove(device: 0) === bridge)
    #expect(bus.function(device: 0) == nil)
    try bus.add(HostBridge(), device: 0)
  }

  @Test func onlyFunctionZeroOfBusZeroIsThere() throws {
    let function = RecordingFunction()
    for device in 0..<32 { try bus.add(function, device: device) }
    for routingID in UInt16.min...UInt16.max {
      let isPresent = routingID >> 8 == 0 && routingID & 7 == 0
      let value = bus.read(routingID, register: 0, width: 2)
      #expect(value == (isPresent ? 0x0100 : 0xffff))
      bus.write(routingID, register: 0, width: 2, value: 0)
    }
    #expect(function.accesses.events.count == 64)
  }

  /// Whatever the guest does, a function sees aligned accesses of 1, 2 or 4 bytes only.
  @Test func everyOffsetAndWidthArrivesAligned() throws {
    let function = RecordingFunction()
    try bus.add(function, device: 0)
    for register in 0..<64 as Range<UInt64> {
      for width in 1...8 {
        let bytes = (0..<width).map { (register + UInt64($0)) & 0xff }
        let expected = bytes.reversed().reduce(0) { $0 << 8 | $1 }
        #expect(bus.read(0, register: register, width: width) == expected)
        bus.write(0, register: register, width: width, value: expected)
      }
    }
    _ = bus.read(0, register: .max, width: 8)
    bus.write(0, register: .max, width: 8, value: 0)
  }
}

/// Each of its bytes reads as its own offset, and that is what is written to it.
private final class RecordingFunction: PCIFunction {
  let accesses = Recorder<Int>()
  var header: PCIFunctionState { HostBridge().header }

  func readConfiguration(register: Int, width: Int) -> UInt32 {
    check(register, width)
    return (0..<width).reduce(0) { $0 | UInt32((register + $1) & 0xff) << UInt32(8 * $1) }
  }

  func writeConfiguration(register: Int, width: Int, value: UInt32) {
    check(register, width)
    #expect(value == 0 || value == readConfiguration(register: register, width: width))
  }

  private func check(_ register: Int, _ width: Int) {
    #expect([1, 2, 4].contains(width) && register % width == 0 && 0..<4096 ~= register)
    accesses.record(register)
  }
}

@Suite struct InterruptPinTests {
  @Test func levelIsAssertedAndNotDisabled() {
    let line = RecordingLine()
    var pin = InterruptPin(line: line)
    pin.isAsserted = false
    #expect(line.levels.take() == [])
    pin.isAsserted = true
    pin.isAsserted = true
    #expect(line.levels.take() == [true])
    pin.isDisabled = true
    #expect(line.levels.take() == [false])
    pin.isAsserted = false
    pin.isAsserted = true
    #expect(line.levels.take() == [])
    pin.isDisabled = false
    #expect(line.levels.take() == [true])
    pin.isAsserted = false
    pin.isDisabled = true
    #expect(line.levels.take() == [false])
  }
}
