import SwiftVM
import Testing

@Suite
struct ConsoleDeviceValidationTests {
  /// The problem of a machine with these devices.
  private func problem(_ devices: [VirtioConsoleDeviceConfiguration]) throws -> String? {
    var fixture = try ConfigurationFixture()
    fixture.configuration.consoleDevices = devices
    return fixture.problem()
  }

  private func port(
    id: String? = nil, _ name: String, isConsole: Bool = false
  ) -> VirtioConsolePortConfiguration {
    VirtioConsolePortConfiguration(id: id, name: name, isConsole: isConsole, attachment: .none)
  }

  @Test(arguments: [0, -1, 32767, Int.max])
  func refusesRoom(maximum: Int) throws {
    #expect(
      try problem([VirtioConsoleDeviceConfiguration(ports: [], maximumPortCount: maximum)])
        == "--virtio-serial max-ports=\(maximum): a device cannot have room for so many ports;"
        + " give max-ports= from 1 to 32766")
  }

  @Test(arguments: [-1, 2049])
  func refusesVectors(count: Int) throws {
    #expect(
      try problem([VirtioConsoleDeviceConfiguration(ports: [], vectorCount: count)])
        == "--virtio-serial vectors=\(count): a device cannot have so many interrupt vectors;"
        + " give vectors= from 0 to 2048")
  }

  /// The problem of a channel with this policy, and this backend.
  private func problem(
    of attachment: SerialPortAttachment = .none, isConsole: Bool = false,
    _ change: (inout VirtioConsolePortPolicy) -> Void = { _ in }
  ) throws -> String? {
    var port = VirtioConsolePortConfiguration(
      name: "a", isConsole: isConsole, attachment: attachment)
    change(&port.policy)
    return try problem([VirtioConsoleDeviceConfiguration(ports: [port])])
  }

  @Test(arguments: [-1, 60_001])
  func refusesTimesOfClientsChanges(time: Int) throws {
    #expect(
      try problem { $0.gapMilliseconds = time }
        == "--virtserialport gap=\(time): a client's change cannot take so many milliseconds;"
        + " give gap= from 0 to 60000")
    #expect(
      try problem { ($0.drainMilliseconds, $0.onHostClose) = (time, .discard) }
        == "--virtserialport drain=\(time): a client's change cannot take so many milliseconds;"
        + " give drain= from 0 to 60000")
    #expect(
      try problem { $0.drainMilliseconds = 1 }
        == "--virtserialport drain=1: what is drained is discarded, and on-host-close=keep keeps it;"
        + " give one of them")
  }

  @Test("replay is for consoles: a channel's bytes wait in the guest for the next client")
  func refusesReplayToChannels() throws {
    let socket = ChardevConfiguration(
      .socket(SocketConfiguration(.abstract(name: "swiftvm-replay"), replaySize: 4096)))
    let words =
      "--virtserialport replay=: a channel keeps what it has no client for in the guest, and"
      + " repeats nothing; leave it out; it is for consoles and --serial"
    #expect(try problem(of: socket) == words)
    #expect(try problem(of: ChardevConfiguration(.several([socket, .none]))) == words)
    #expect(try problem(of: socket, isConsole: true) == nil)
  }

  @Test(arguments: [0, 65])
  func refusesWeight(weight: Int) throws {
    var port = VirtioConsolePortConfiguration(name: "a", attachment: .none)
    port.policy.weight = weight
    #expect(
      try problem([VirtioConsoleDeviceConfiguration(ports: [port])])
        == "--virtserialport weight=\(weight): a port cannot have this weight;"
        + " give weight= from 1 to 64")
  }

  @Test(arguments: [0, 1, 2, 2048])
  func acceptsVectors(count: Int) throws {
    #expect(try problem([VirtioConsoleDeviceConfiguration(ports: [], vectorCount: count)]) == nil)
    #expect(
      try problem([
        VirtioConsoleDeviceConfiguration(ports: [], transport: .mmio, vectorCount: count)
      ])
        == "--virtio-serial vectors=\(count): a device on mmio has a single interrupt;"
        + " leave vectors out")
  }

  @Test(arguments: ["vs0", "A", "a-b.c_9"])
  func acceptsIdentifiers(id: String) throws {
    let ports = [port(id: id + "p", "x")]
    #expect(try problem([VirtioConsoleDeviceConfiguration(id: id, ports: ports)]) == nil)
  }

  @Test(arguments: ["", "0a", "-a", "a b", "a/b", "é", "a\u{301}", "[a", "`"])
  func refusesIdentifiers(id: String) throws {
    let line =
      ": this is no identifier: a letter, then letters, digits, \"-\", \".\" and \"_\";"
      + " give e.g. id=vs0"
    #expect(
      try problem([VirtioConsoleDeviceConfiguration(id: id, ports: [])])
        == "--virtio-serial id=\(id)" + line)
    #expect(
      try problem([
        VirtioConsoleDeviceConfiguration(ports: [port(id: id, "x", isConsole: true)])
      ]) == "--virtconsole id=\(id)" + line)
  }

  @Test func boundsIdentifiers() throws {
    let longest = String(repeating: "a", count: 256)
    #expect(try problem([VirtioConsoleDeviceConfiguration(id: longest, ports: [])]) == nil)
    #expect(
      try problem([VirtioConsoleDeviceConfiguration(id: longest + "a", ports: [])])?
        .hasSuffix(": the id has more than 256 bytes; give e.g. id=vs0") == true)
  }

  @Test func findsAnIdentifierUsedTwice() throws {
    let line = "Duplicate device ID 'a'; give another id, or none"
    #expect(
      try problem([
        VirtioConsoleDeviceConfiguration(id: "a", ports: []),
        VirtioConsoleDeviceConfiguration(id: "a", ports: []),
      ]) == "--virtio-serial id=a: \(line)")
    #expect(
      try problem([
        VirtioConsoleDeviceConfiguration(id: "a", ports: [port(id: "a", "x")])
      ]) == "--virtserialport id=a: \(line)")
    #expect(
      try problem([
        VirtioConsoleDeviceConfiguration(ports: [port(id: "a", "x")]),
        VirtioConsoleDeviceConfiguration(ports: [port(id: "a", "y", isConsole: true)]),
      ]) == "--virtconsole id=a: \(line)")
  }

  @Test func findsANameUsedByAConsoleToo() throws {
    #expect(
      try problem([
        VirtioConsoleDeviceConfiguration(ports: [port("x"), port("x", isConsole: true)])
      ]) == "--virtconsole name=x: A port already exists by name x; choose another name")
  }

  @Test func givesADeviceWithoutMultiportOneConsole() throws {
    var features = VirtioConsoleFeatures()
    features.multiport = false
    let line =
      "--virtio-serial multiport=off: such a device has one port, a virtconsole with number 0;"
      + " give its other ports to another device"
    let console = port("c", isConsole: true)
    for (ports, expected) in [
      ([], nil), ([console], nil), ([port("x")], line), ([console, port("x")], line),
    ] as [([VirtioConsolePortConfiguration], String?)] {
      #expect(
        try problem([VirtioConsoleDeviceConfiguration(ports: ports, features: features)])
          == expected)
    }
  }

  @Test(arguments: [1, 5, 31])
  func acceptsSlots(slot: Int) throws {
    let device = VirtioConsoleDeviceConfiguration(ports: [], slot: slot)
    let other = VirtioConsoleDeviceConfiguration(ports: [])
    #expect(try problem([other, device]) == nil)
    #expect(
      try problem([device, other, device])
        == "--virtio-serial addr=0x\(String(slot, radix: 16)): PCI: slot \(slot) is in use already;"
        + " give every device a slot of its own")
  }

  @Test(arguments: [0, -1, 32, Int.max])
  func refusesSlots(slot: Int) throws {
    #expect(
      try problem([VirtioConsoleDeviceConfiguration(ports: [], slot: slot)])
        == "--virtio-serial addr=0x\(String(slot, radix: 16)): the PCI bus has no such slot for a"
        + " device; give addr= from 0x1 to 0x1f")
  }

  @Test func givesDevicesOnMMIONoSlot() throws {
    #expect(
      try problem([VirtioConsoleDeviceConfiguration(ports: [], transport: .mmio, slot: 1)])
        == "--virtio-serial addr=0x1: a device on mmio has no slot of the PCI bus; leave addr out")
  }

  @Test func countsThePlacesOfTheBus() throws {
    let device = VirtioConsoleDeviceConfiguration(ports: [])
    #expect(try problem(Array(repeating: device, count: 31)) == nil)
    #expect(
      try problem(Array(repeating: device, count: 32))
        == "--virtio-serial: 32 devices are more than the 31 of the PCI bus;"
        + " leave some out; one device has room for 32765 ports")
    let other = VirtioConsoleDeviceConfiguration(ports: [], transport: .mmio)
    #expect(try problem(Array(repeating: device, count: 31) + [other]) == nil)
    #expect(try problem(Array(repeating: other, count: 64)) == nil)
    #expect(
      try problem(Array(repeating: other, count: 65))
        == "--virtio-serial: 65 devices are more than the 64 that mmio has room for;"
        + " leave some out; one device has room for 32765 ports")
  }
}
