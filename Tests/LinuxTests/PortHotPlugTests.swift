import Control
import TestSupport
import Testing

extension StockGuestTests {
  /// Ports, their backends and whole devices that come and go while the guest runs. Each test is
  /// named as the one of autotest that checks the same.
  @Suite(.guest(Guest.Options(spareSockets: HotPlugPort.spares, hasControl: true)))
  struct PortHotPlugTests {
    let guest: Guest
    let agent: Agent
    let control: QMPClient

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
      control = try guest.control
    }

    func checkTransfer(_ ports: [String]) throws {
      var pump = Pump()
      let transfers = ports.enumerated().map { index, port in
        Transfer(port: port, seed: index + 1, guest: guest)
      }
      for transfer in transfers { try transfer.start(mebibytes: 1, pump: &pump) }
      _ = try pump.run(seconds: 120)
      for transfer in transfers { try transfer.check(mebibytes: 1) }
    }

    /// Chardevs that were there at the start; a device and ports that come, survive a reset, and go.
    @Test("virtio_serial_hotplug_port_pci") func deviceAndPortsComeAndGo() throws {
      let ports = HotPlugPort.spares
      try guest.addDevice("vs1")
      for (index, port) in ports.enumerated() {
        try guest.addPort(port, to: "vs1", number: index + 1)
      }
      let again = Guest.port(ports[0], id: "again", to: "vs1", number: 2)
      #expect(
        try control.refusal(of: "device_add", again)
          .hasSuffix(
            "'virtserialport.chardev' can't take value 'spare.1': Device 'spare.1' is in use"))
      try checkTransfer(ports)
      try guest.expectRestart { try control.execute("system_reset") }
      try control.awaitEvent("RESET") { $0["guest"] == false }
      for port in ports { try agent.run("await-port \(port)") }
      try checkTransfer(ports)
      // with_reboot
      try guest.expectRestart { try agent.say("reboot -f") }
      try control.awaitEvent("RESET") { $0["guest"] == true }
      for port in ports { try agent.run("await-port \(port)") }
      try checkTransfer(ports)
      try guest.remove(ports[0])
      try guest.awaitAbsence(of: [ports[0]])
      try guest.remove("vs1")
      try guest.awaitAbsence(of: ports)
      for port in ports { #expect(try guest.chardev(port)?["frontend-open"] == false) }
    }

    /// Chardevs that come at run time, and stay when their port is unplugged. Ten rounds of autotest's
    /// hundred (repeat_pci_in_loop): what a round leaves behind is in the next one's way, and a device
    /// that keeps its slot is refused at the latest in the thirty-second.
    @Test("virtio_serial_hotplug_port_pci_chardev") func chardevsOutlastTheirPorts() throws {
      let ports = ["late.1", "late.2"]
      for port in ports { try guest.addSocket(port) }
      for round in 1...10 {
        try guest.addDevice("vs2")
        for (index, port) in ports.enumerated() {
          try guest.addPort(port, to: "vs2", number: index + 1)
        }
        if round == 1 { try checkTransfer(ports) } else { try guest.checkEchoes(ports) }
        #expect(
          try control.refusal(of: "chardev-remove", ["id": .string(ports[0])])
            == "Chardev '\(ports[0])' is busy")
        for port in ports { try guest.remove(port) }
        try guest.remove("vs2")
        try guest.awaitAbsence(of: ports)
      }
      for port in ports {
        try guest.removeChardev(port)
        #expect(!File.exists(guest.socketPath(port)))
      }
    }

    /// A console on a pseudo-terminal and a port on a socket, both open in the guest and used by
    /// clients: the whole device goes under them.
    @Test("hotplug_port_chardev_pci_with_console") func deviceGoesWithConsoleAndPort() throws {
      try guest.addDevice("vs3")
      let path = try #require(try guest.addChardev("terminal", "pty")["pty"]?.text)
      try guest.addSocket("beside")
      try control.execute("device_add", Guest.port("terminal", to: "vs3", driver: "virtconsole"))
      try guest.addPort("beside", to: "vs3")
      try agent.wait(until: "[ -e /sys/class/tty/hvc0 ]", "the console")
      try agent.start(
        "shell", "exec 3<>/dev/hvc0; read line <&3; echo \"heard $line\" >&3; exec cat <&3")
      // The terminal echoes first.
      _ = try Tool.shell("exec 3<>\(path); echo a word >&3; grep -q -m 1 'heard a word' <&3")
      try agent.start("echo", "vport echo /dev/virtio-ports/beside")
      let client = try guest.connect("beside")
      try client.sendAll("hello\n")
      #expect(try client.receiveLine() == "hello")
      try guest.remove("vs3")
      for job in ["shell", "echo"] {
        try agent.wait(until: "[ -s /tmp/\(job).status ]", "the end of \(job)")
      }
      for chardev in ["terminal", "beside"] { try guest.removeChardev(chardev) }
      #expect(try agent.run("echo alive") == "alive")
    }

    /// What is there already cannot be added, and stays as it is.
    @Test("virtio_serial_hotplug_existed_port_pci") func duplicatesAreRefused() throws {
      try guest.addDevice("vs4")
      for port in ["here", "other"] { try guest.addSocket(port) }
      try guest.addPort("here", to: "vs4", number: 1)
      let client = try guest.connect("here")
      func refusal(_ name: String, id: String? = nil, number: Int? = nil) throws -> String {
        try control.refusal(
          of: "device_add", Guest.port(name, id: id, to: "vs4", number: number))
      }
      #expect(try refusal("here") == "Duplicate device ID 'here'")
      #expect(
        try refusal("other", number: 1) == "virtio-serial-bus: A port already exists at id 1")
      #expect(
        try refusal("other", number: 31)
          == "virtio-serial-bus: Out-of-range port id specified, max. allowed: 30")
      #expect(
        try refusal("here", id: "again")
          == "Property 'virtserialport.chardev' can't take value 'here': Device 'here' is in use")
      #expect(
        try control.refusal(of: "device_add", ["driver": "virtio-serial-pci", "id": "vs4"])
          == "Duplicate device ID 'vs4'")
      #expect(
        try control.refusal(
          of: "chardev-add", ["id": "here", "backend": ["type": "null", "data": [:]]])
          == "Chardev with id 'here' already exists")
      try guest.checkEcho("here", client)
      for id in ["here", "vs4"] { try guest.remove(id) }
      for port in ["here", "other"] { try guest.removeChardev(port) }
    }

    /// All of it goes, piece by piece, and comes back as it was.
    @Test("virtio_serial_unplug_port_chardev_pci") func everyPieceIsUnpluggedAndPlugged() throws {
      for _ in 1...3 {
        try guest.addDevice("vs5")
        try guest.addSocket("piece")
        try guest.addPort("piece", to: "vs5", number: 1)
        try checkTransfer(["piece"])
        try guest.remove("piece")
        try guest.removeChardev("piece")
        #expect(try guest.chardev("piece") == nil)
        try guest.remove("vs5")
      }
    }

    /// The whole device, ten times: with a port that a client uses, and gone before the guest has made
    /// anything of it.
    @Test("hotplug_virtio_pci") func deviceComesAndGoes() throws {
      try guest.addSocket("within")
      let client = try guest.connect("within")
      let functions = try agent.run("ls /sys/bus/pci/devices")
      for round in 1...10 {
        try guest.addDevice("vs7")
        if round % 2 == 1 {
          try guest.addPort("within", to: "vs7")
          try guest.checkEcho("within", client, "round \(round)")
        }
        try guest.remove("vs7")
      }
      #expect(try agent.run("ls /sys/bus/pci/devices") == functions)
      try guest.removeChardev("within")
    }

    /// query-chardev tells when the guest opens and closes a port, and so do events.
    @Test("gagent_query_chardev") func frontEndsAreOpenWhileProgramsHaveThem() throws {
      try guest.addSocket("watched")
      try guest.addPort("watched")
      for _ in 1...3 {
        #expect(try guest.chardev("watched")?["frontend-open"] == false)
        try agent.startProgram("held", "vport hold /dev/virtio-ports/watched")
        try awaitPort("watched", isOpen: true)
        #expect(try guest.chardev("watched")?["frontend-open"] == true)
        try agent.stop("held")
        try awaitPort("watched", isOpen: false)
      }
      try guest.remove("watched")
      try guest.removeChardev("watched")
    }

    private func awaitPort(_ id: String, isOpen: Bool) throws {
      try control.awaitEvent("VSERPORT_CHANGE") {
        $0["id"] == .string(id) && $0["open"] == .bool(isOpen)
      }
    }

    /// A program that has asked for signals hears that its port goes.
    @Test("sigio: unplugged") func signalTellsThatThePortIsUnplugged() throws {
      try guest.addSocket("signalled")
      try guest.addPort("signalled")
      try agent.startProgram("signals", "vport signals /dev/virtio-ports/signalled")
      #expect(try agent.line(1, of: "signals") == "ready IN HUP")
      let client = try guest.connect("signalled")
      #expect(try agent.line(2, of: "signals") == "SIGIO OUT")
      try guest.remove("signalled")
      #expect(try agent.line(3, of: "signals") == "SIGIO HUP")
      #expect(client.unreadCount == 0)
      try agent.stop("signals")
      try guest.removeChardev("signalled")
    }

    /// Unplugged and plugged while no driver has the device: with its chardev, without it, and while
    /// another device's port is in use. At the end the guest boots again with what is there.
    @Test("virtio_port_hotplug", arguments: ["unplug_port", "unplug_chardev", "with_bg_test"])
    func portIsReplacedWithoutDriver(what: String) throws {
      let background = what == "with_bg_test" ? try BackgroundEcho(guest, "background") : nil
      try guest.addDevice("vs6")
      try guest.addSocket("driverless")
      try guest.addPort("driverless", to: "vs6", number: 1)
      let client = what == "unplug_chardev" ? nil : try guest.connect("driverless")
      let device = try agent.run(
        "basename $(readlink -f /sys/class/virtio-ports/"
          + "$(basename $(readlink /dev/virtio-ports/driverless))/device)")
      for round in 1...10 {
        try agent.run("echo \(device) >/sys/bus/virtio/drivers/virtio_console/unbind")
        try guest.remove("driverless")
        if what == "unplug_chardev" {
          try guest.removeChardev("driverless")
          try guest.addSocket("driverless")
        }
        try control.execute("device_add", Guest.port("driverless", to: "vs6", number: 1))
        try agent.run("echo \(device) >/sys/bus/virtio/drivers/virtio_console/bind")
        try guest.checkEcho(
          "driverless", try client ?? guest.connect("driverless"), "round \(round)")
      }
      if let background {
        #expect(try background.stop() > 0)
        try guest.expectRestart { try agent.say("reboot -f") }
        try guest.checkEcho("driverless", try client ?? guest.connect("driverless"))
        try guest.remove("background")
        try guest.removeChardev("background")
      }
      for id in ["driverless", "vs6"] { try guest.remove(id) }
      try guest.removeChardev("driverless")
    }
  }
}

/// The chardevs that this guest starts with.
enum HotPlugPort {
  static let spares = ["spare.1", "spare.2"]
}
