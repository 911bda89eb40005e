import TestSupport
import Testing

extension StockGuestTests {
  /// The same channels through every transport and ring layout that Linux knows: devices beside each
  /// other in one guest, which is booted with each of the driver's own choices.
  @Suite struct TransportTests {
    @Test func driverOfTodayFindsEveryDevice() throws {
      try check(
        append: "quiet",
        [
          Expected(
            "modern", [], .messageSignalled, has: [.version1, .eventIndex], not: [.packed]),
          Expected("packed", ["packed=on"], .messageSignalled, has: [.packed, .eventIndex]),
          Expected(
            "plain", ["event-idx=off", "indirect-desc=off"], .messageSignalled,
            has: [.version1], not: [.packed, .eventIndex, .indirect]),
          Expected(
            "packedplain", ["packed=on", "event-idx=off", "indirect-desc=off"], .messageSignalled,
            has: [.packed], not: [.eventIndex, .indirect]),
          Expected("transitional", ["disable-legacy=off"], .messageSignalled, has: [.version1]),
          Expected(
            "legacy", ["disable-legacy=off", "disable-modern=on"], .messageSignalled,
            not: [.version1, .packed]),
          Expected("shared", ["vectors=2"], .messageSignalled, has: [.version1]),
          Expected("pins", ["vectors=0"], .pin, has: [.version1]),
          Expected("mmio", ["transport=mmio"], .platform, has: [.version1], not: [.packed]),
          Expected(
            "mmiopacked", ["transport=mmio", "packed=on"], .platform, has: [.version1, .packed]),
        ])
    }

    @Test func legacyDriver() throws {
      try check(
        append: "quiet virtio_pci.force_legacy=1",
        [
          Expected(
            "transitional", ["disable-legacy=off"], .messageSignalled, not: [.version1, .packed]),
          Expected("pins", ["disable-legacy=off", "vectors=0"], .pin, not: [.version1]),
          // Which a driver that prefers the old interface drives by the new.
          Expected("modern", [], .messageSignalled, has: [.version1]),
        ])
    }

    @Test func legacyDriverWithoutMessageSignalledInterrupts() throws {
      try check(
        append: "quiet virtio_pci.force_legacy=1 pci=nomsi",
        [
          Expected("transitional", ["disable-legacy=off"], .pin, not: [.version1, .packed]),
          Expected("modern", [], .pin, has: [.version1]),
        ])
    }

    /// A driver that is offered no MULTIPORT has port 0, and that is a console.
    @Test func deviceWithoutMultiplePortsIsOneConsole() throws {
      let directory = try TemporaryDirectory()
      let path = directory["console"]
      let guest = try Guest(
        Guest.Options(
          devices: [Guest.Device(id: "single", keys: ["multiport=off"])],
          arguments: ["--virtconsole", "socket=\(path),bus=single.0"]))
      try guest.awaitAgent()
      let client = try SocketClient(path)
      try guest.agent.start("single", "read -r line </dev/hvc0; echo \"heard $line\" >/dev/hvc0")
      try client.sendAll("a word\n")
      try client.awaitText("heard a word")
      try guest.agent.finish("single")
      #expect(try guest.powerOff() == .exited(0))
    }

    /// Each device has the features, the interrupts and the bytes that it should.
    private func check(append: String, _ expected: [Expected]) throws {
      let devices = expected.map {
        Guest.Device(id: $0.id, keys: $0.keys, ports: [$0.port, $0.sink])
      }
      let guest = try Guest(Guest.Options(devices: devices, append: append))
      try guest.awaitAgent()
      for device in expected {
        for port in [device.port, device.sink] { try guest.agent.run("await-port \(port)") }
        try checkDevice(guest, device)
        try checkBytes(guest, device)
      }
      #expect(try guest.powerOff() == .exited(0))
    }

    private func checkDevice(_ guest: Guest, _ device: Expected) throws {
      let agent = try guest.agent
      let port = try agent.run("basename $(readlink /dev/virtio-ports/\(device.port))")
      let number = port.dropFirst("vport".count).prefix { $0 != "p" }
      let features = Array(try agent.run("cat /sys/bus/virtio/devices/virtio\(number)/features"))
      for feature in device.features {
        #expect(features[feature.rawValue] == "1", "\(device.id): \(feature)")
      }
      for feature in device.missing {
        #expect(features[feature.rawValue] == "0", "\(device.id): \(feature)")
      }
      let place = try agent.run("readlink -f /sys/bus/virtio/devices/virtio\(number)")
      #expect(place.contains("/pci") == (device.interrupts != .platform), "\(device.id): \(place)")
      // A pin's line has all the devices that share it.
      let lines = try agent.run("cat /proc/interrupts").split(separator: "\n").filter { line in
        line.split { $0 == " " || $0 == "," }.contains { word in
          word == "virtio\(number)" || word.hasPrefix("virtio\(number)-")
        }
      }
      #expect(!lines.isEmpty, "\(device.id)")
      #expect(
        lines.allSatisfy { $0.contains("PCI-MSI") == (device.interrupts == .messageSignalled) },
        "\(device.id): \(lines)")
    }

    private func checkBytes(_ guest: Guest, _ device: Expected) throws {
      let agent = try guest.agent
      let source = try guest.connect(device.port)
      let (port, sink) = ("/dev/virtio-ports/\(device.port)", "/dev/virtio-ports/\(device.sink)")
      try agent.start("echo", "vport echo \(port) 6")
      try source.sendAll("hello\n")
      #expect(try source.receiveLine() == "hello", "\(device.id)")
      try agent.finish("echo")

      let count = 1 << 20
      let (sent, received) = (guest.file("sent"), guest.file("received"))
      _ = try Tool.shell("head -c \(count) /dev/urandom >'\(sent)'")
      try agent.start("loop", "vport forward \(count) 8192 \(port) \(sink)")
      var pump = Pump()
      try pump.send(sent, to: source)
      try pump.receive(count, from: try guest.connect(device.sink), into: received)
      _ = try pump.run(seconds: 60)
      try agent.finish("loop")
      #expect(try Tool.sha256(ofFile: received) == Tool.sha256(ofFile: sent), "\(device.id)")
    }
  }
}

/// What a device must look like in the guest.
private struct Expected {
  /// Feature bits as Linux negotiates them.
  enum Feature: Int {
    case indirect = 28
    case eventIndex = 29
    case version1 = 32
    case packed = 34
  }

  enum Interrupts { case messageSignalled, pin, platform }

  let id: String
  let keys: [String]
  let interrupts: Interrupts
  let features: [Feature]
  let missing: [Feature]

  init(
    _ id: String, _ keys: [String], _ interrupts: Interrupts, has features: [Feature] = [],
    not missing: [Feature] = []
  ) {
    self.id = id
    self.keys = keys
    self.interrupts = interrupts
    self.features = features
    self.missing = missing
  }

  var port: String { "\(id).port" }
  var sink: String { "\(id).sink" }
}
