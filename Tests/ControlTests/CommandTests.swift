import Chardev
import Glibc
import TestSupport
import Testing

@testable import Control

/// What each command makes of a machine, and what it says.
@Suite struct CommandTests {
  private let rig: ControlRig
  private let client: RigClient

  init() throws {
    rig = try ControlRig()
    client = try rig.ready()
  }

  /// A command's reply without the frame around it.
  private func ask(_ command: String, _ arguments: String = "{}") -> String {
    let reply = client.ask(#"{"execute":"\#(command)","arguments":\#(arguments)}"#) ?? "nothing"
    for (frame, mark) in [(#"{"return": "#, ""), (#"{"error": {"class": ""#, "!")]
    where reply.hasPrefix(frame) {
      let body = reply.dropFirst(frame.count).dropLast(mark.isEmpty ? 1 : 3)
      return mark + body.replacing(#"", "desc": ""#, with: ": ")
    }
    return reply
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

  // MARK: Chardevs

  private func add(_ type: String, _ data: String) -> String {
    ask("chardev-add", #"{"id":"c","backend":{"type":"\#(type)","data":\#(data)}}"#)
  }

  @Test func makesChardevs() {
    let unix = #"{"type":"unix","data":{"path":"/s"}}"#
    let cases: [(String, String, ChardevConfiguration.Backend)] = [
      ("null", "{}", .null), ("ringbuf", "{}", .ringBuffer(size: 65536)),
      ("memory", #"{"size":1024}"#, .ringBuffer(size: 1024)),
      ("pipe", #"{"device":"/p"}"#, .pipe(path: "/p")),
      (
        "file", #"{"out":"/o","in":"/i","append":true}"#,
        .file(FileConfiguration(output: "/o", input: "/i", appends: true))
      ),
      ("socket", #"{"addr":\#(unix)}"#, .socket(SocketConfiguration(.unix(path: "/s")))),
      (
        "socket", #"{"addr":\#(unix),"server":true,"wait":true,"nodelay":false}"#,
        .socket(
          SocketConfiguration(
            .unix(path: "/s"), role: .listening(waitsForClient: true), hasNoDelay: false))
      ),
      (
        "socket", #"{"addr":\#(unix),"server":false,"reconnect":2}"#,
        .socket(
          SocketConfiguration(.unix(path: "/s"), role: .connecting(reconnectMilliseconds: 2000)))
      ),
      (
        "socket",
        #"{"addr":{"type":"unix","data":{"path":"n","abstract":true}},"x-swiftvm-clients":"queue"}"#,
        .socket(SocketConfiguration(.abstract(name: "n"), clients: .queue))
      ),
      (
        "socket",
        #"{"addr":{"type":"inet","data":{"host":"::1","port":"7","to":9}},"server":true}"#,
        .socket(SocketConfiguration(.tcp(host: "::1", port: 7, lastPort: 9)))
      ),
      (
        "udp",
        #"{"remote":{"type":"inet","data":{"host":"h","port":"1"}},"local":{"type":"inet","data":{"host":"l","port":"2"}}}"#,
        .datagram(DatagramConfiguration(host: "h", port: 1, localHost: "l", localPort: 2))
      ),
    ]
    for (type, data, backend) in cases {
      #expect(add(type, data) == "{}")
      #expect(rig.machine.added == ChardevConfiguration(id: "c", backend))
    }
    #expect(add("pty", #"{"logfile":"/l","logappend":true}"#) == #"{"pty": "/dev/pts/3"}"#)
    #expect(
      rig.machine.added
        == ChardevConfiguration(
          id: "c", .pseudoTerminal(link: nil), log: LogConfiguration(path: "/l", appends: true)))
  }

  private static let mistakes: [(type: String, data: String, problem: String)] = [
    ("nullx", "{}", "Parameter 'type' does not accept value 'nullx'"),
    ("null", #"{"x":1}"#, "Parameter 'backend.data.x' is unexpected"),
    ("null", "1", "Invalid parameter type for 'backend.data', expected: object"),
    ("file", "{}", "Parameter 'backend.data.out' is missing"),
    ("file", #"{"out":1}"#, "Invalid parameter type for 'backend.data.out', expected: string"),
    (
      "file", #"{"out":"a\u0000b"}"#,
      "Parameter 'backend.data.out' must not contain a NUL character"
    ),
    ("stdio", "{}", "standard input and output are given out at the start"),
    ("socket", "{}", "Parameter 'backend.data.addr' is missing"),
    (
      "socket", #"{"addr":{"type":"vsock","data":{}}}"#,
      "Parameter 'type' does not accept value 'vsock'"
    ),
    (
      "socket", #"{"addr":{"type":"unix","data":{"path":"/s"}},"telnet":true}"#,
      "Parameter 'telnet' is not supported: leave it out"
    ),
    (
      "socket", #"{"addr":{"type":"unix","data":{"path":"/s"}},"tls-creds":"x"}"#,
      "Parameter 'backend.data.tls-creds' is unexpected"
    ),
    (
      "socket", #"{"addr":{"type":"inet","data":{"host":"h","port":"65536"}}}"#,
      "Parameter 'port' does not accept value '65536': no port has this number"
    ),
    (
      "socket", #"{"addr":{"type":"fd","data":{"str":"n"}}}"#,
      "File descriptor named 'n' has not been found"
    ),
    (
      "socket",
      #"{"addr":{"type":"unix","data":{"path":"/s"}},"server":false,"reconnect":9223372036854775807}"#,
      "Parameter 'reconnect' expects a number of seconds"
    ),
  ]

  @Test(arguments: mistakes)
  func refusesChardevs(type: String, data: String, problem: String) {
    #expect(add(type, data) == "!GenericError: " + problem)
    #expect(rig.machine.notes == [])
  }

  @Test func knowsItsChardevs() {
    rig.machine.chardevs = [
      ChardevReport(label: "c", filename: "pty:/dev/pts/3", isFrontEndOpen: true)
    ]
    #expect(
      ask("query-chardev")
        == #"[{"label": "c", "filename": "pty:/dev/pts/3", "frontend-open": true}]"#)
    #expect(add("null", "{}") == "!GenericError: Chardev with id 'c' already exists")
    #expect(
      ask("chardev-change", #"{"id":"c","backend":{"type":"null","data":{}}}"#) == "{}")
    #expect(
      ask("chardev-change", #"{"id":"d","backend":{"type":"null","data":{}}}"#)
        == "!GenericError: Chardev 'd' does not exist")
    #expect(ask("chardev-send-break", #"{"id":"c"}"#) == "{}")
    #expect(ask("chardev-send-break", #"{"id":"d"}"#) == "!GenericError: Chardev 'd' not found")
    #expect(ask("chardev-remove", #"{"id":"d"}"#) == "!GenericError: Chardev 'd' not found")
    #expect(ask("chardev-remove") == "!GenericError: Parameter 'id' is missing")
    #expect(ask("chardev-remove", #"{"id":"c"}"#) == "{}")
    #expect(rig.machine.notes == ["change c", "remove chardev c"])
    rig.machine.refusal = QMPError("no such place")
    rig.machine.chardevs = []
    #expect(add("null", "{}") == "!GenericError: Failed to add chardev 'c': no such place")
    #expect(ask("query-chardev-backends").contains(#"{"name": "ringbuf"}"#))
  }

  @Test func readsAndWritesRingBuffers() {
    rig.machine.buffers["r"] = FakeRingBuffer()
    #expect(ask("ringbuf-write", #"{"device":"r","data":"hello"}"#) == "{}")
    #expect(ask("ringbuf-read", #"{"device":"r","size":3}"#) == #""hel""#)
    #expect(ask("ringbuf-read", #"{"device":"r","size":30,"format":"base64"}"#) == #""bG8=""#)
    #expect(
      ask("ringbuf-write", #"{"device":"r","data":"AP8h","format":"base64"}"#) == "{}")
    #expect(rig.machine.buffers["r"]?.contents == [0, 255, 33])
    #expect(
      ask("ringbuf-write", #"{"device":"r","data":"A===","format":"base64"}"#)
        == "!GenericError: the data is not valid base64")
    #expect(
      ask("ringbuf-read", #"{"device":"r","size":-1}"#)
        == "!GenericError: size must be greater than zero")
    #expect(
      ask("ringbuf-read", #"{"device":"z","size":1}"#) == "!GenericError: Device 'z' not found")
    #expect(
      ask("ringbuf-read", #"{"device":"r","size":1,"format":"x"}"#)
        == "!GenericError: Parameter 'format' does not accept value 'x'")
  }

  @Test func waitsForATextInARingBuffer() {
    let buffer = FakeRingBuffer()
    rig.machine.buffers["r"] = buffer
    client.send(
      #"{"execute":"x-swiftvm-ringbuf-wait","arguments":{"device":"r","text":"lo w"},"id":1}"#)
    rig.settle()
    #expect(buffer.waiting?.text == Array("lo w".utf8))
    buffer.waiting?.whenFound()
    #expect(client.line() == #"{"return": {}, "id": 1}"#)
    #expect(buffer.waiting == nil)
    #expect(
      ask("x-swiftvm-ringbuf-wait", #"{"device":"r","text":"x","timeout":0}"#)
        == "!GenericError: the text has not come within the timeout")
    #expect(buffer.waiting == nil)
    client.send(#"{"execute":"x-swiftvm-ringbuf-wait","arguments":{"device":"r","text":"x"}}"#)
    rig.settle()
    rig.machine.buffers = [:]
    rig.server.somethingChanged()
    #expect(client.line()?.contains("Device 'r' not found") == true)
    #expect(buffer.waiting == nil)
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
  ])
  func refusesDevices(arguments: String, problem: String) {
    #expect(ask("device_add", arguments) == "!GenericError: " + problem)
    #expect(rig.machine.notes == [])
  }

  private func port(_ name: String, isOpen: Bool) -> PortStatus {
    var port = PortStatus(device: "vs0", number: 1, name: name, isConsole: false, chardev: "c")
    port.isOpenInGuest = isOpen
    return port
  }

  @Test func tellsOfPorts() {
    var status = port("n", isOpen: true)
    status.id = "p"
    status.bytesToHost = 5
    rig.machine.ports = [status]
    #expect(
      ask("x-swiftvm-query-ports")
        == #"[{"device": "vs0", "nr": 1, "id": "p", "name": "n", "console": false, "guest-open": true, "host-open": false, "throttled": false, "chardev": "c", "filename": "", "bytes-to-host": 5, "bytes-to-guest": 0, "bytes-dropped": 0, "bytes-discarded": 0, "throttles": 0, "connections": 0}]"#
    )
  }

  @Test func waitsUntilThePortIsOpen() {
    rig.machine.ports = [port("n", isOpen: false)]
    client.send(
      #"{"execute":"x-swiftvm-wait-open","arguments":{"port":"n"},"id":1}{"execute":"stop"}"#)
    rig.server.somethingChanged()
    rig.settle()
    #expect(rig.machine.notes == [])
    rig.machine.ports = [port("n", isOpen: true)]
    rig.server.send(.portChanged(id: "n", isOpen: true))
    #expect(client.line()?.contains("VSERPORT_CHANGE") == true)
    #expect(client.line() == #"{"return": {}, "id": 1}"#)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(rig.machine.notes == ["pause"])
    #expect(ask("x-swiftvm-wait-open", #"{"port":"n","timeout":0}"#) == "{}")
  }

  @Test func waitsNoLongerThanTold() {
    rig.machine.ports = [port("n", isOpen: false)]
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

  // MARK: Descriptors

  @Test func takesDescriptors() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    #expect(
      ask("getfd", #"{"fdname":"x"}"#)
        == "!GenericError: No file descriptor supplied via SCM_RIGHTS")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, with: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(add("socket", #"{"addr":{"type":"fd","data":{"str":"x"}}}"#) == "{}")
    guard case .descriptor(.number(let number)) = rig.machine.added?.backend else {
      Issue.record("no descriptor in \(String(describing: rig.machine.added))")
      return
    }
    #expect(sameFile(number, descriptor))
    close(number)
    #expect(
      ask("closefd", #"{"fdname":"x"}"#)
        == "!GenericError: File descriptor named 'x' not found")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"x"}}"#, with: descriptor)
    #expect(client.line() == #"{"return": {}}"#)
    #expect(ask("closefd", #"{"fdname":"x"}"#) == "{}")
    client.send(#"{"execute":"getfd","arguments":{"fdname":"1x"}}"#, with: descriptor)
    #expect(client.line()?.contains("a name not starting with a digit") == true)
  }

  @Test func keepsSetsOfDescriptors() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    #expect(ask("query-fdsets") == "[]")
    client.send(#"{"execute":"add-fd","arguments":{"opaque":"o"}}"#, with: descriptor)
    let reply = try #require(client.line())
    #expect(reply.hasPrefix(#"{"return": {"fdset-id": 0, "fd": "#))
    #expect(ask("query-fdsets").hasSuffix(#""opaque": "o"}]}]"#))
    #expect(add("file", #"{"out":"/dev/fdset/0"}"#) == "{}")
    guard case .descriptor(.number(let number)) = rig.machine.added?.backend else {
      Issue.record("no descriptor in \(String(describing: rig.machine.added))")
      return
    }
    #expect(sameFile(number, descriptor))
    close(number)
    #expect(
      ask("remove-fd", #"{"fdset-id":3}"#)
        == "!GenericError: File descriptor named 'fdset-id:3' not found")
    #expect(ask("remove-fd", #"{"fdset-id":0}"#) == "{}")
    #expect(ask("query-fdsets") == "[]")
    #expect(
      add("file", #"{"out":"/dev/fdset/0"}"#)
        == "!GenericError: File descriptor named 'fdset-id:0' not found")
  }

  @Test func handsAConnectionOver() throws {
    let path = try directory.makeFile("file")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    rig.machine.connection = descriptor
    rig.machine.ports = [port("n", isOpen: false)]
    #expect(ask("x-swiftvm-connect", #"{"port":"n"}"#) == "{}")
    let received = try #require(client.descriptors.first)
    #expect(sameFile(received, descriptor))
    #expect(ask("x-swiftvm-connect", #"{"port":"m"}"#) == "!DeviceNotFound: there is no port 'm'")
  }

  private var directory: TemporaryDirectory { rig.directory }

  private func sameFile(_ first: Int32, _ second: Int32) -> Bool {
    var (one, other) = (stat(), stat())
    return fstat(first, &one) == 0 && fstat(second, &other) == 0 && one.st_ino == other.st_ino
      && one.st_dev == other.st_dev
  }
}
