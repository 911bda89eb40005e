import Control
import TestSupport
import Testing

/// Many ports that come and go.
extension StockGuestTests.PortHotPlugTests {
  private func names(_ prefix: String, _ numbers: ClosedRange<Int>) -> [String] {
    numbers.map { "\(prefix).\($0)" }
  }

  /// As many ports as a device has room for, each with a socket: all work, one more is refused.
  @Test("virtio_serial_hotplug_max_chardevs") func deviceIsFilled() throws {
    let ports = names("full", 1...30)
    try guest.addDevice("full")
    for port in ports + ["full.31"] { try guest.addSocket(port) }
    for port in ports { try control.execute("device_add", Guest.port(port, to: "full")) }
    #expect(
      try control.refusal(of: "device_add", Guest.port("full.31", to: "full"))
        == "virtio-serial-bus: Maximum port limit for this device reached")
    #expect(
      try control.refusal(of: "device_add", Guest.port("full.1", to: "full"))
        == "Duplicate device ID 'full.1'")
    try guest.checkEchoes(ports)
    for port in ports { try guest.remove(port) }
    try guest.awaitAbsence(of: ports)
    for port in ports + ["full.31"] { try guest.removeChardev(port) }
    try guest.remove("full")
  }

  /// Devices with many ports, of which some are in use when they go; and one port that comes and
  /// goes again and again.
  @Test("hotplug") func manyPortsComeAndGo() throws {
    let counts = [("hot1", 10), ("hot2", 15), ("hot3", 20), ("hot4", 25)]
    var there: Set<String> = []
    for (device, count) in counts {
      try guest.addDevice(device)
      for port in names(device, 1...count) { try plug(port, device, &there) }
    }
    try checkNames(there)
    // In use on both sides.
    let used = counts.map { $0.0 + ".1" }
    for port in used { try unplugInUse(port, &there) }
    for number in 1...15 {
      try plug("more.\(number)", "hot1", &there)
      try plug("more.\(number + 15)", "hot2", &there)
    }
    try checkNames(there)
    for number in 1...25 { try unplug("more.\(number)", &there) }
    for number in 1...5 { try plug("new.\(number)", "hot3", &there) }
    try checkNames(there)
    for _ in 1...20 {
      try plug("again", "hot4", &there)
      try unplug("again", &there)
    }
    try checkNames(there)
    for (device, _) in counts { try guest.remove(device) }
    try checkNames([])
    for port in used { try guest.removeChardev(port) }
  }

  private func plug(_ port: String, _ device: String, _ there: inout Set<String>) throws {
    // One port of each device leads somewhere.
    guard port.hasSuffix(".1"), port.hasPrefix("hot") else {
      try control.execute(
        "device_add",
        [
          "driver": "virtserialport", "id": .string(port), "name": .string(port),
          "bus": .string(device + ".0"),
        ])
      there.insert(port)
      return
    }
    try guest.addSocket(port)
    try guest.addPort(port, to: device)
    there.insert(port)
  }

  private func unplug(_ port: String, _ there: inout Set<String>) throws {
    try guest.remove(port)
    there.remove(port)
  }

  private func unplugInUse(_ port: String, _ there: inout Set<String>) throws {
    let client = try guest.connect(port)
    try agent.start("used", "vport echo /dev/virtio-ports/\(port)")
    try client.sendAll("hello\n")
    #expect(try client.receiveLine() == "hello")
    try unplug(port, &there)
    try agent.wait(until: "[ -s /tmp/used.status ]", "the end of the program that used \(port)")
  }

  /// The guest has these ports, and besides them the agent's.
  private func checkNames(_ expected: Set<String>) throws {
    let wanted = expected.union([Guest.agentPort]).sorted()
    let deadline = Deadline(seconds: 60)
    while true {
      let seen = try agent.run("cat /sys/class/virtio-ports/*/name || true")
        .split(separator: "\n").map(String.init).sorted()
      if seen == wanted { return }
      guard !deadline.hasPassed else {
        throw deadline.failure("\(wanted.count) ports, but \(seen)")
      }
    }
  }
}
