import Chardev
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// What each command makes of a machine and its ports, and what it says.
@Suite(ControlRig.requirement)
struct CommandTests: CommandSuite {
  let rig: ControlRig
  let client: LineClient

  init() throws {
    rig = try ControlRig()
    client = try rig.ready()
  }

  @Test func commandsTheMachine() {
    let status = #"{"status": "prelaunch", "singlestep": false, "running": false}"#
    #expect(ask("query-status") == status)
    #expect(ask("stop") == "{}")
    #expect(rig.machine.isPaused)
    #expect(ask("cont") == "{}")
    #expect(!rig.machine.isPaused)
    for command in ["system_reset", "system_powerdown"] { #expect(ask(command) == "{}") }
    #expect(ask("query-status") == status)
    #expect(ask("stop", #"{"a":1}"#) == "!GenericError: Parameter 'a' is unexpected")
    #expect(ask("quit") == "{}")
    #expect(ask("query-status").contains("shutdown"))
  }

  @Test("Every command says what it is for and what it takes, and names no argument twice")
  func documentsEveryCommand() {
    #expect(Set(QMPCommandTable.all.map(\.name)).count == QMPCommandTable.all.count)
    for command in QMPCommandTable.all {
      #expect(!command.help.isEmpty)
      let words = command.usage.split(separator: " ")
      #expect(Set(words).count == words.count)
      #expect(ask("query-commands").contains(#"{"name": "\#(command.name)"}"#))
    }
    let usages = QMPCommandTable.documentation(.standard).map(\.usage)
    #expect(usages.contains("remove-fd fdset-id [fd]"))
  }

  @Test func tellsWhatTheMachineIs() {
    #expect(ask("query-name") == #"{"name": "vm"}"#)
    #expect(ask("query-kvm") == #"{"enabled": true, "present": true}"#)
    #expect(ask("query-version").contains(#""minor": \#(SwiftVMVersion.numbers.1), "#))
    #expect(ask("query-cpus-fast") == "[]")
    #expect(ask("query-commands").contains(#"{"name": "qmp_capabilities"}"#))
    #expect(ask("query-commands").contains(#"{"name": "x-swiftvm-wait-open"}"#))
    #expect(
      ask("human-monitor-command", #"{"command-line":"info x"}"#)
        == "!GenericError: there is no human monitor for 'info x'; use QMP commands, see query-commands"
    )
  }

  // MARK: Ports and devices

  @Test func addsPortsAndDevices() {
    #expect(add("null", "{}") == "{}")
    #expect(
      ask(
        "device_add",
        #"{"driver":"virtserialport","id":"p","name":"m","chardev":"c","bus":"vs0.0","nr":"3"}"#)
        == "{}")
    #expect(ask("device_add", #"{"driver":"virtconsole","nr":5}"#) == "{}")
    #expect(
      ask(
        "device_add",
        #"{"driver":"virtio-serial-pci","id":"vs1","max_ports":4,"bus":"pci.0","addr":"0x1f"}"#)
        == "{}")
    #expect(
      rig.ports.dropFirst() == [
        VirtioConsolePortConfiguration(
          id: "p", number: 3, name: "m", attachment: ChardevConfiguration(id: "c", .null)),
        VirtioConsolePortConfiguration(
          number: 5, name: nil, isConsole: true, attachment: .none),
      ])
    #expect(
      rig.machine.engine.configuration.consoleDevices.dropFirst() == [
        VirtioConsoleDeviceConfiguration(id: "vs1", ports: [], maximumPortCount: 4, slot: 31)
      ])
    #expect(ask("device_del", #"{"id":"p"}"#) == "{}")
    #expect(rig.ports.count == 2 && rig.spares == ["c"])
    #expect(ask("device_del", #"{"id":"p"}"#) == "!DeviceNotFound: Device 'p' not found")
    #expect(ask("device_del", #"{"id":"vs1"}"#) == "{}")
    #expect(rig.machine.engine.configuration.consoleDevices.count == 1)
  }

  @Test("A port has the same policy keys here as on the command line")
  func addsPortsWithAPolicy() {
    #expect(
      ask(
        "device_add",
        #"{"driver":"virtserialport","early":"drop","on-guest-close":"close","drain":500,"gap":"20","weight":4}"#
      ) == "{}")
    #expect(ask("device_add", #"{"driver":"virtconsole","overflow":"drop-oldest"}"#) == "{}")
    var channel = VirtioConsolePortPolicy()
    (channel.early, channel.onGuestClose) = (.drop, .close)
    (channel.onHostClose, channel.drainMilliseconds) = (.discard, 500)
    (channel.gapMilliseconds, channel.weight) = (20, 4)
    var console = VirtioConsolePortPolicy()
    console.overflow = .dropOldest
    #expect(rig.ports.dropFirst().map(\.policy) == [channel, console])
  }

  @Test(arguments: [
    (#"{"id":"a"}"#, "Parameter 'driver' is missing"),
    (#"{"driver":"xx"}"#, "'xx' is not a valid device model name"),
    (
      #"{"driver":"virtserialport","bogus":1}"#, "Property 'virtserialport.bogus' not found"
    ),
    (#"{"driver":"virtserialport","id":"4p"}"#, "Parameter 'id' expects an identifier"),
    (#"{"driver":"virtserialport","nr":"x"}"#, "Parameter 'nr' expects integer"),
    (#"{"driver":"virtserialport","gap":-1}"#, "Parameter 'gap' expects integer"),
    (
      #"{"driver":"virtserialport","early":"x"}"#, "Parameter 'early' does not accept value 'x'"
    ),
    (#"{"driver":"virtconsole","gap":1}"#, "Property 'virtconsole.gap' not found"),
    (
      #"{"driver":"virtserialport","overflow":"wait"}"#,
      "Property 'virtserialport.overflow' not found"
    ),
    (#"{"driver":"virtserialport","nr":-1}"#, "Parameter 'nr' expects integer"),
    (#"{"driver":"virtserialport","nr":"+5"}"#, "Parameter 'nr' expects integer"),
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
    #expect(rig.ports.count == 1 && rig.machine.engine.configuration.consoleDevices.count == 1)
  }

  @Test("Who waits for a port hears when it is gone, and what follows is carried out then")
  func waitsForAPort() throws {
    client.send(
      #"{"execute":"x-swiftvm-wait-open","arguments":{"port":"n"},"id":1}{"execute":"stop"}"#)
    rig.server.somethingChanged()
    rig.settle()
    #expect(!rig.machine.isPaused)
    let other = try rig.ready()
    #expect(
      other.ask(#"{"execute":"device_del","arguments":{"id":"id-n"}}"#) == #"{"return": {}}"#)
    #expect(client.line()?.contains("DEVICE_DELETED") == true)
    #expect(
      client.reply()?.hasSuffix(#""desc": "there is no port 'n'"}, "id": 1}"#) == true)
    #expect(client.reply() == #"{"return": {}}"#)
    #expect(rig.machine.isPaused)
  }

  @Test func waitsNoLongerThanTold() {
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"n","timeout":0.01}"#)
        == "!GenericError: the guest has not opened port 'n' within the timeout")
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"n","timeout":-1}"#)
        == "!GenericError: Parameter 'timeout' does not accept value '-1'")
    #expect(
      ask("x-swiftvm-wait-open", #"{"port":"m"}"#) == "!DeviceNotFound: there is no port 'm'")
  }

  @Test func plugsAPort() throws {
    let parser = ControlServer.PortParser { (option, value) throws(QMPError) in
      (nil, VirtioConsolePortConfiguration(name: option + value, attachment: .file(path: "f")))
    }
    let rig = try ControlRig(parser: parser)
    let arguments = #"{"option":"o","value":"v","directory":"\#(rig.directory.path)"}"#
    #expect(
      try rig.ready().ask(#"{"execute":"x-swiftvm-plug","arguments":\#(arguments)}"#)
        == #"{"return": {}}"#)
    #expect(rig.ports.last?.name == "--ov")
    #expect(rig.directory.entries == ["f", "qmp"])
    #expect(ask("x-swiftvm-plug", arguments).contains("has no command line; use device_add"))
  }
}
