import Testing

extension StockGuestTests {
  /// Where ports are at the start of the machine. Each test is named as the one of autotest that
  /// checks the same.
  @Suite(.guest(Guest.Options(devices: BootDevice.all, portKeys: ["asked.1": "nr=1"])))
  struct BootPortTests {
    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    /// Three ports on one device, three on each of two, and one on each of twenty-six.
    @Test(
      "boot_N_M_virtserialports",
      arguments: [
        ("1_N", BootDevice.oneOfThree), ("N_M", BootDevice.twoOfThree),
        ("N_1", BootDevice.twentySixOfOne),
      ])
    func everyPortIsOnItsDevice(_: String, devices: [Guest.Device]) throws {
      let ports = devices.flatMap(\.ports)
      try guest.checkEchoes(ports)
      // vportNpM: the device's number and the port's.
      let nodes = try agent.run(
        "for name in \(ports.joined(separator: " ")); do readlink /dev/virtio-ports/$name; done"
      ).split(separator: "\n").map(String.init)
      #expect(Set(nodes).count == ports.count, "\(nodes)")
      let numbers = nodes.map { $0.dropFirst("../vport".count).prefix { $0 != "p" } }
      #expect(Set(numbers).count == devices.count, "\(nodes)")
    }

    /// Number 1 is any port's.
    @Test("failed_boot: boot_nr1") func portOneMayBeAsked() throws {
      let client = try guest.connect("asked.1")
      try guest.checkEcho("asked.1", client)
      #expect(try agent.run("readlink /dev/virtio-ports/asked.1").hasSuffix("p1"))
    }

    /// What is said of ports that cannot be.
    @Test(
      "failed_boot",
      arguments: [
        (
          "boot_nr0", ["-device", "virtio-serial,max_ports=31", "-device", "virtserialport,nr=0"],
          "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward "
            + "compatibility"
        ),
        (
          "boot_too_much_ports",
          ["-device", "virtio-serial,max_ports=31", "-device", "virtserialport,nr=31"],
          "Out-of-range port id specified, max. allowed: 30"
        ),
        (
          "boot_too_much_ports",
          ["-device", "virtio-serial,max_ports=31"]
            + [[String]](repeating: ["-device", "virtserialport"], count: 31).flatMap { $0 },
          "Maximum port limit for this device reached"
        ),
        (
          "boot_too_much_ports", ["--virtio-serial", "max-ports=32767"],
          "give max-ports= from 1 to 32766"
        ),
      ])
    func impossiblePortsAreRefused(_: String, arguments: [String], text: String) throws {
      let refused = try Guest(Guest.Options(action: "poweroff", arguments: arguments))
      #expect(try refused.awaitEnd(seconds: 30) == .exited(2))
      #expect(refused.messages.contains(text), "\(refused.messages)")
      #expect(refused.messages.split(separator: "\n").count == 1)
    }
  }
}

/// The devices of that guest, as many as there is room for on the bus with the agent's.
enum BootDevice {
  static let oneOfThree = [device("one", ports: 3)]
  static let twoOfThree = [device("two1", ports: 3), device("two2", ports: 3)]
  static let twentySixOfOne = (1...26).map { device("six\($0)", ports: 1) }
  static let all = oneOfThree + twoOfThree + twentySixOfOne + [device("asked", ports: 1)]

  private static func device(_ id: String, ports: Int) -> Guest.Device {
    Guest.Device(id: id, ports: (1...ports).map { "\(id).\($0)" })
  }
}
