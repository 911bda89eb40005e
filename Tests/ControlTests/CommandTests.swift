import Testing

@testable import Control

/// What each command makes of a machine and its ports, and what it says.
@Suite struct CommandTests: CommandSuite {
  let rig: ControlRig
  let client: RigClient

  init() throws {
    rig = try ControlRig()
    client = try rig.ready()
  }

  @Test func commandsTheMachine() {
    #expect(ask("query-status") == #"{"status": "running", "singlestep": false, "running": true}"#)
    for command in ["stop", "cont", "system_reset", "system_powerdown", "quit"] {
      #expect(ask(command) == "{}")
    }
    #expect(rig.machine.notes == ["pause", "resume", "reset", "power button", "quit"])
    rig.machine.runState = .paused
    #expect(ask("query-status") == #"{"status": "paused", "singlestep": false, "running": false}"#)
    rig.machine.refusal = QMPError("no", class: .deviceNotActive)
    #expect(ask("stop") == "!DeviceNotActive: no")
    #expect(ask("stop", #"{"a":1}"#) == "!GenericError: Parameter 'a' is unexpected")
  }

  @Test func tellsWhatTheMachineIs() {
    #expect(ask("query-name") == #"{"name": "vm"}"#)
    rig.machine.name = nil
    #expect(ask("query-name") == "{}")
    #expect(ask("query-kvm") == #"{"enabled": true, "present": true}"#)
    #expect(
      ask("query-version")
        == #"{"qemu": {"major": 1, "minor": 2, "micro": 3}, "package": "swiftvm"}"#)
    #expect(ask("query-cpus-fast").contains(#""cpu-index": 0"#))
    #expect(ask("query-cpus-fast").contains(#""thread-id": 7"#))
    #expect(ask("query-commands").contains(#"{"name": "qmp_capabilities"}"#))
    #expect(ask("query-commands").contains(#"{"name": "x-swiftvm-wait-open"}"#))
    #expect(
      ask("human-monitor-command", #"{"command-line":"info x"}"#)
        == "!GenericError: there is no human monitor for 'info x'; use QMP commands, see query-commands"
    )
  }

  @Test func tellsWhatIsOnTheBus() {
    rig.machine.pciFunctions = [
      PCIFunctionReport(
        slot: 2, id: "vs0", vendor: 0x1af4, device: 0x1043, subsystemVendor: 0x1af4, subsystem: 3,
        classCode: 0x780, interruptLine: 10, interruptPin: 1,
        regions: [
          .init(
            index: 4, size: 16384, address: nil, isPorts: false, is64Bit: true,
            isPrefetchable: true)
        ])
    ]
    #expect(
      ask("query-pci")
        == #"[{"bus": 0, "devices": [{"bus": 0, "slot": 2, "function": 0, "class_info": {"class": 1920}, "id": {"vendor": 6900, "device": 4163, "subsystem-vendor": 6900, "subsystem": 3}, "irq": 10, "irq_pin": 1, "qdev_id": "vs0", "regions": [{"bar": 4, "type": "memory", "address": -1, "size": 16384, "prefetch": true, "mem_type_64": true}]}]}]"#
    )
  }

  // MARK: Ports and devices

  @Test func addsPortsAndDevices() {
    #expect(
      ask(
        "device_add",
        #"{"driver":"virtserialport","id":"p","name":"n","chardev":"c","bus":"vs0.0","nr":"3"}"#)
        == "{}")
    #expect(ask("device_add", #"{"driver":"virtconsole","nr":3}"#) == "{}")
    #expect(
      ask(
        "device_add",
        #"{"driver":"virtio-serial-pci","id":"vs1","max_ports":4,"bus":"pci.0","addr":"0x1f"}"#)
        == "{}")
    #expect(ask("device_del", #"{"id":"p"}"#) == "{}")
    #expect(
      rig.machine.notes == [
        "\(PortRequest(isConsole: false, id: "p", name: "n", chardev: "c", bus: "vs0.0", number: 3))",
        "\(PortRequest(isConsole: true, number: 3))",
        "\(SerialDeviceRequest(id: "vs1", maximumPortCount: 4, slot: 31))", "remove device p",
      ])
  }

  @Test(arguments: [
    (#"{"id":"a"}"#, "Parameter 'driver' is missing"),
    (#"{"driver":"xx"}"#, "'xx' is not a valid device model name"),
    (
      #"{"driver":"virtserialport","bogus":1}"#, "Property 'virtserialport.bogus' not found"
    ),
    (#"{"driver":"virtserialport","id":"4p"}"#, "Parameter 'id' expects an identifier"),
    (#"{"driver":"virtserialport","nr":"x"}"#, "Parameter 'nr' expects integer"),
    (#"{"driver":"virtserialport","nr":-1}"#, "Parameter 'nr' expects integer"),
    (#"{"driver":"virtio-serial-pci","bus":"pci.1"}"#, "Bus 'pci.1' not found"),
    (
      #"{"driver":"virtio-serial-pci","addr":"20"}"#,
      "Property 'virtio-serial-pci.addr' doesn't take value '20'"
    ),
    (
      #"{"driver":"virtio-serial-pci","addr":"+5"}"#,
      "Property 'virtio-serial-pci.addr' doesn't take value '+5'"
    ),
  ])
  func refusesDevices(arguments: String, problem: String) {
    #expect(ask("device_add", arguments) == "!GenericError: " + problem)
    #expect(rig.machine.notes == [])
  }

  @Test func tellsOfPorts() {
    var status = PortStatus.named("n", isOpen: true)
    status.id = "p"
    status.bytesToHost = 5
    status.waitingClientCount = 2
    status.queuedClientCount = 3
    rig.machine.ports = [status]
    #expect(
      ask("x-swiftvm-query-ports")
        == #"[{"device": "vs0", "nr": 1, "id": "p", "name": "n", "console": false, "guest-open": true, "host-open": false, "throttled": false, "chardev": "c", "filename": "", "bytes-to-host": 5, "bytes-to-guest": 0, "bytes-dropped": 0, "bytes-discarded": 0, "throttles": 0, "connections": 0, "clients-waiting": 2, "clients-queued": 3}]"#
    )
  }

  @Test func waitsUntilThePortIsOpen() {
    rig.machine.ports = [PortStatus.named("n", isOpen: false)]
    client.send(
      #"{"execute":"x-swiftvm-wait-open","arguments":{"port":"n"},"id":1}{"execute":"stop"}"#)
    rig.server.somethingChanged()
    rig.settle()
    #expect(rig.machine.notes == [])
    rig.machine.ports = [PortStatus.named("n", isOpen: true)]
    rig.server.send(.portChanged(id: "n", isOpen: true))
    #expect(client.line()?.contains("VSERPORT_CHANGE") == true)
    #expect(client.line() == #"{"return": {}, "id": 1}"#)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(rig.machine.notes == ["pause"])
    #expect(ask("x-swiftvm-wait-open", #"{"port":"n","timeout":0}"#) == "{}")
  }

  @Test func waitsNoLongerThanTold() {
    rig.machine.ports = [PortStatus.named("n", isOpen: false)]
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"n","timeout":0.01}"#)
        == "!GenericError: the guest has not opened port 'n' within the timeout")
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"n","timeout":-1}"#)
        == "!GenericError: Parameter 'timeout' does not accept value '-1'")
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"m"}"#) == "!DeviceNotFound: there is no port 'm'")
    client.send(#"{"execute":"x-swiftvm-wait-open","arguments":{"port":"n"}}"#)
    rig.settle()
    rig.machine.ports = []
    rig.server.send(.deviceDeleted(id: "n"))
    #expect(client.line()?.contains("DEVICE_DELETED") == true)
    #expect(client.line()?.contains("there is no port 'n'") == true)
  }

  @Test func plugsAPort() {
    #expect(
      ask(
        "x-swiftvm-plug",
        #"{"option":"virtserialport","value":"name=a,socket=s","directory":"/d"}"#) == "{}")
    #expect(rig.machine.notes == ["plug virtserialport name=a,socket=s in /d"])
  }
}
