import Chardev
import Host
import TestSupport
import Testing
import Virtio
import VirtioConsole

/// Which port gets which number (Q16, Q17, Q18), with QEMU's words for what cannot be.
@Suite struct PortNumberTests {
  private func port(_ number: UInt32? = nil, console: Bool = false) -> PortConfiguration {
    PortConfiguration(number: number, name: "", isConsole: console)
  }

  /// The numbers that ports of a new device get, in their order.
  private func assign(_ ports: [PortConfiguration]) throws -> [UInt32] {
    let device = try makeDevice(ports: ports)
    let reports = Dictionary(
      uniqueKeysWithValues: device.statistics.ports.map { ($0.name, UInt32($0.number)) })
    return ports.indices.compactMap { reports["\($0)"] }
  }

  private func makeDevice(ports: [PortConfiguration] = [], limit: Int = 31) throws -> ConsoleDevice
  {
    let named = ports.enumerated().map { index, port in
      var port = port
      port.name = "\(index)"
      return (configuration: port, chardev: ScriptedChardev() as any Chardev)
    }
    return ConsoleDevice(
      ports: named, maximumPorts: limit, lock: DeviceLock(), remote: try EventLoop().remote,
      emergencyOutput: { _ in })
  }

  /// What is said when these ports are added one after the other and the last is refused.
  private func refusal(_ ports: [PortConfiguration], limit: Int = 31) throws -> String? {
    let device = try makeDevice(limit: limit)
    for port in ports.dropLast() { try device.addPort(port, chardev: ScriptedChardev()) }
    let error = #expect(throws: PortError.self) {
      try device.addPort(ports[ports.count - 1], chardev: ScriptedChardev())
    }
    #expect(device.statistics.ports.count == ports.count - 1)
    return error?.description
  }

  @Test("Without a wish: the first console gets 0, every other the lowest free number")
  func automaticNumbers() throws {
    #expect(
      try assign([port(), port(console: true), port(), port(console: true)]) == [1, 0, 2, 3])
    #expect(try assign([port(), port()]) == [1, 2], "0 stays reserved without a console")
    #expect(try assign([port(3), port(), port(1), port(), port()]) == [3, 2, 1, 4, 5])
  }

  @Test("A console that names its number leaves 0 to one that does not")
  func consoleWithNumber() throws {
    #expect(try assign([port(5, console: true), port(console: true)]) == [5, 0])
    #expect(try assign([port(console: true), port(0, console: true)]) == [1, 0])
  }

  @Test("Q16: number 0 is refused to a port that is no console")
  func numberZero() throws {
    #expect(
      try refusal([port(0)])
        == "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward compatibility."
    )
    #expect(try assign([port(0), port()]) == [1], "nor is it given another number")
  }

  @Test("Q17: duplicates and numbers out of range")
  func refusals() throws {
    #expect(try refusal([port(7), port(7)]) == "A port already exists at id 7")
    for number: UInt32 in [31, 32, .max] {
      #expect(
        try refusal([port(number)]) == "Out-of-range port id specified, max. allowed: 30")
    }
    let named = PortConfiguration(name: "org.a")
    #expect(try refusal([named, named]) == "A port already exists by name org.a")
  }

  @Test("Q18: as many ports as the device has numbers, and no more")
  func fullDevice() throws {
    let generic = Array(repeating: port(), count: 30)
    #expect(try assign(generic + [port(console: true)]).count == 31)
    let text = "Maximum port limit for this device reached"
    #expect(try refusal(generic + [port()]) == text)
    #expect(try refusal([port()], limit: 1) == text)
  }

  @Test("Odd limits are brought into what queues can be numbered for")
  func limits() {
    #expect(PortNumbers(limit: -3).limit == 1)
    #expect(PortNumbers(limit: .max).limit == 32766)
  }

  @Test("A released number is the next one given, if it is the lowest")
  func release() throws {
    var numbers = PortNumbers(limit: 100)
    for expected: UInt32 in 1...99 { #expect(try numbers.take(for: port()) == expected) }
    for number: UInt32 in [40, 7, 90, 7, 1000] { numbers.release(number) }
    #expect(try numbers.take(for: port()) == 7)
    #expect(try numbers.take(for: port()) == 40)
    #expect(try numbers.take(for: port(90)) == 90)
    #expect(throws: PortError.noFreeNumber) { try numbers.take(for: port()) }
    #expect(try numbers.take(for: port(console: true)) == 0)
    numbers.release(0)
    #expect(throws: PortError.noFreeNumber, "0 stays reserved") { try numbers.take(for: port()) }
  }
}
