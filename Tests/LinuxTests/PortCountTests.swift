import TestSupport
import Testing

extension StockGuestTests {
  /// Few ports, many, and more than other monitors have, on devices of one guest.
  @Suite struct PortCountTests {
    private static func names(_ count: Int) -> [String] { (1...count).map { "of\(count).\($0)" } }

    /// Linux keeps half a megabyte of buffers for each port.
    @Test(arguments: [[1, 31, 32, 33, 64, 511], [1024]])
    func everyPortOfEveryDeviceIsThere(counts: [Int]) throws {
      let devices = counts.map { count in
        Guest.Device(
          id: "of\(count)", keys: ["max-ports=\(count + 1)"], ports: Self.names(count))
      }
      let start = monotonicSeconds()
      let guest = try Guest(Guest.Options(devices: devices, arguments: ["--memory", "1G"]))
      try guest.awaitAgent()
      let names = counts.flatMap(Self.names) + [Guest.agentPort]
      try checkNames(guest, names)
      let seconds = monotonicSeconds() - start
      print("figure: \(names.count) ports named \(seconds) s after the start")
      for count in counts {
        for number in Set([1, (count + 1) / 2, count]) {
          try checkEcho(guest, "of\(count).\(number)")
        }
      }
      let resident = ProcessStatus(of: guest.process.pid).residentKibibytesBesideGuest
      let allocated = ProcessStatus(of: guest.process.pid).allocatedKibibytesBesideGuest
      print("figure: \(resident) KiB resident with all of them, \(allocated) allocated")
      #expect(try guest.powerOff() == .exited(0))
      #expect(guest.sockets == [])
      if names.count > 1024 { #expect(try allocated - allocatedWithFewPorts() < 4 << 10) }
    }

    /// The same of a machine with eight ports, in KiB.
    private func allocatedWithFewPorts() throws -> Int {
      let few = Self.names(7)
      let guest = try Guest(Guest.Options(ports: few))
      try guest.awaitAgent()
      for port in few { try checkEcho(guest, port) }
      let allocated = ProcessStatus(of: guest.process.pid).allocatedKibibytesBesideGuest
      print("figure: \(allocated) KiB allocated with eight ports")
      return allocated
    }

    /// All ports of one device at once, and of as many devices as fit beside each other.
    @Test("max_ports") func everyPortWorksBesideTheOthers() throws {
      let ports = (1...30).map { "org.example.port.\($0)" }
      let devices = (1...25).map { Guest.Device(id: "d\($0)", ports: ["org.example.device.\($0)"]) }
      let guest = try Guest(
        Guest.Options(ports: ports, devices: devices, arguments: ["--memory", "1G"]))
      try guest.awaitAgent()
      let all = ports + devices.flatMap(\.ports)
      try checkNames(guest, all + [Guest.agentPort])
      let paths = all.map { "/dev/virtio-ports/" + $0 }.joined(separator: " ")
      try guest.agent.start("echoes", "for port in \(paths); do vport echo $port 6 & done; wait")
      let clients = try all.map { try guest.connect($0) }
      for client in clients { try client.sendAll("hello\n") }
      for client in clients { #expect(try client.receiveLine() == "hello") }
      try guest.agent.finish("echoes")
      #expect(try guest.powerOff() == .exited(0))
    }

    private func checkNames(_ guest: Guest, _ names: [String]) throws {
      let agent = try guest.agent
      try agent.wait(
        until: "[ $(ls /dev/virtio-ports | wc -l) -ge \(names.count) ]",
        "the links of \(names.count) ports", seconds: 120)
      let linked = try agent.run("ls /dev/virtio-ports").split(separator: "\n").map(String.init)
      #expect(linked.sorted() == names.sorted())
      let named = try agent.run("cat /sys/class/virtio-ports/*/name").split(separator: "\n")
      #expect(named.map(String.init).sorted() == names.sorted())
    }

    private func checkEcho(_ guest: Guest, _ name: String) throws {
      try guest.agent.start("echo", "vport echo /dev/virtio-ports/\(name) \(name.utf8.count + 1)")
      let client = try guest.connect(name)
      try client.sendAll(name + "\n")
      #expect(try client.receiveLine() == name)
      try guest.agent.finish("echo")
    }
  }
}
