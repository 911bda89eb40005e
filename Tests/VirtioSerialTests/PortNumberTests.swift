import Testing
import VirtioSerial

/// Which port gets which number (Q16, Q17, Q18), with QEMU's words for what cannot be.
@Suite struct PortNumberTests {
  private func port(_ number: UInt32? = nil, console: Bool = false) -> PortConfiguration {
    PortConfiguration(number: number, name: "", isConsole: console)
  }

  private func assign(_ ports: [PortConfiguration], limit: Int = 31) throws -> [UInt32] {
    try PortNumbers.assign(ports, limit: limit)
  }

  @Test("Without a wish: the first console gets 0, everybody else the lowest free number")
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
  func numberZero() {
    let error = #expect(throws: PortError.self) { try assign([port(0)]) }
    #expect(
      error?.description
        == "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward compatibility."
    )
  }

  @Test("Q17: duplicates and numbers out of range")
  func refusals() {
    let duplicate = #expect(throws: PortError.self) { try assign([port(7), port(7)]) }
    #expect(duplicate?.description == "A port already exists at id 7")
    for number: UInt32 in [31, 32, .max] {
      let outside = #expect(throws: PortError.self) { try assign([port(number)]) }
      #expect(outside?.description == "Out-of-range port id specified, max. allowed: 30")
    }
    #expect(PortError.nameTaken("org.a").description == "A port already exists by name org.a")
  }

  @Test("Q18: as many ports as the device has numbers, and no more")
  func fullDevice() {
    let generic = Array(repeating: port(), count: 30)
    #expect(throws: Never.self) { try assign(generic + [port(console: true)]) }
    let error = #expect(throws: PortError.self) { try assign(generic + [port()]) }
    #expect(error?.description == "Maximum port limit for this device reached")
    #expect(throws: PortError.noFreeNumber) { try assign([port()], limit: 1) }
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
