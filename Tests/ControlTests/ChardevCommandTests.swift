import Chardev
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// What the commands for backends make, and what they say.
@Suite(ControlRig.requirement)
struct ChardevCommandTests: CommandSuite {
  let rig: ControlRig
  let client: LineClient

  init() throws {
    rig = try ControlRig()
    client = try rig.ready()
  }

  @Test func makesChardevs() throws {
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
        "socket", #"{"addr":\#(unix),"server":true,"wait":false,"nodelay":false}"#,
        .socket(SocketConfiguration(.unix(path: "/s")))
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
        #"{"addr":{"type":"inet","data":{"host":"h","port":"1"}},"nodelay":false,"x-swiftvm-keepalive":9,"x-swiftvm-replay":1024}"#,
        .socket(
          SocketConfiguration(
            .tcp(host: "h", port: 1), hasNoDelay: false, keepaliveSeconds: 9, replaySize: 1024))
      ),
      (
        "socket",
        #"{"addr":{"type":"inet","data":{"host":"::1","port":"7","keep-alive":true}}}"#,
        .socket(SocketConfiguration(.tcp(host: "::1", port: 7)))
      ),
      (
        "socket",
        #"{"addr":{"type":"inet","data":{"host":"::1","port":"7","to":9}},"server":true}"#,
        .socket(SocketConfiguration(.tcp(host: "::1", port: 7, lastPort: 9)))
      ),
      (
        "socket",
        #"{"addr":{"type":"inet","data":{"host":"localhost","port":"7","ipv4":true}}}"#,
        .socket(SocketConfiguration(.tcp(host: "127.0.0.1", port: 7)))
      ),
      (
        "socket",
        #"{"addr":{"type":"inet","data":{"host":"","port":"7","ipv4":false,"ipv6":true}}}"#,
        .socket(SocketConfiguration(.tcp(host: "::1", port: 7)))
      ),
      (
        "socket",
        #"{"addr":{"type":"inet","data":{"host":"","port":"7","ipv4":true}},"x-swiftvm-expose":true}"#,
        .socket(
          SocketConfiguration(.tcp(host: "0.0.0.0", port: 7), isReachableFromOutside: true))
      ),
      (
        "socket", #"{"addr":{"type":"inet","data":{"host":"","port":"7"}}}"#,
        .socket(SocketConfiguration(.tcp(host: "localhost", port: 7)))
      ),
      (
        "socket",
        #"{"addr":{"type":"inet","data":{"host":"h","port":"7","ipv4":true,"ipv6":true}}}"#,
        .socket(SocketConfiguration(.tcp(host: "h", port: 7)))
      ),
      (
        "udp", #"{"remote":{"type":"inet","data":{"host":"10.0.0.1","port":"1","ipv6":false}}}"#,
        .datagram(DatagramConfiguration(host: "10.0.0.1", port: 1))
      ),
      (
        "udp",
        #"{"remote":{"type":"inet","data":{"host":"h","port":"1"}},"local":{"type":"inet","data":{"host":"l","port":"2"}}}"#,
        .datagram(DatagramConfiguration(host: "h", port: 1, localHost: "l", localPort: 2))
      ),
    ]
    for (type, data, backend) in cases {
      #expect(try configuration(type, data) == ChardevConfiguration(id: "c", backend))
    }
    #expect(
      try configuration("pty", #"{"logfile":"/l","logappend":true}"#)
        == ChardevConfiguration(
          id: "c", .pseudoTerminal(link: nil), log: LogConfiguration(path: "/l", appends: true)))
    #expect(add("pty", "{}").hasPrefix(#"{"pty": "/dev/pts/"#))
  }

  /// What chardev-add's arguments describe.
  private func configuration(_ type: String, _ data: String) throws -> ChardevConfiguration {
    let json = try JSONParser.parse(Array(#"{"type":"\#(type)","data":\#(data)}"#.utf8))
    var arguments = Arguments(try #require(json.members))
    var reader = ChardevReader(id: "c", descriptors: DescriptorStore())
    return try reader.configuration(&arguments)
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
      "socket",
      #"{"addr":{"type":"unix","data":{"path":"/s"}},"server":false,"x-swiftvm-clients":"queue"}"#,
      #"\"x-swiftvm-clients\" is for listening sockets"#
    ),
    (
      "socket", #"{"addr":{"type":"unix","data":{"path":"/s"}},"append":true}"#,
      "Parameter 'backend.data.append' is unexpected"
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
      "socket", #"{"addr":{"type":"inet","data":{"host":"h","port":"+5"}}}"#,
      "Parameter 'port' does not accept value '+5': no port has this number"
    ),
    (
      "socket", #"{"addr":{"type":"inet","data":{"host":"h","port":"5","to":9}},"server":false}"#,
      #"\"to\" is for listening sockets"#
    ),
    (
      "socket", #"{"addr":{"type":"fd","data":{"str":"0"}}}"#,
      "File descriptor named '0' has not been found"
    ),
    (
      "socket", #"{"addr":{"type":"unix","data":{"path":"/s","tight":false}}}"#,
      "Parameter 'tight' is not supported: leave it out"
    ),
    (
      "socket", #"{"addr":{"type":"unix","data":{"path":"/s"}},"wait":true}"#,
      "'wait' option is incompatible with a machine that has been started"
    ),
    (
      "socket", #"{"addr":{"type":"fd","data":{"str":"n"}},"server":true,"wait":true}"#,
      "'wait' option is incompatible with a machine that has been started"
    ),
    (
      "socket", #"{"addr":{"type":"fd","data":{"str":"n"}},"server":false,"wait":true}"#,
      "'wait' option is incompatible with 'fd' address type"
    ),
    (
      "socket", #"{"addr":{"type":"fd","data":{"str":"n"}},"server":false,"reconnect":1}"#,
      "'reconnect' option is incompatible with 'fd' address type"
    ),
    (
      "socket",
      #"{"addr":{"type":"inet","data":{"host":"h","port":"1","ipv4":false,"ipv6":false}}}"#,
      "both families of addresses are off"
    ),
    (
      "socket", #"{"addr":{"type":"inet","data":{"host":"::1","port":"1","ipv4":true}}}"#,
      "a host's family is told by its address"
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
    #expect(rig.spares == [])
  }

  @Test func knowsItsChardevs() {
    #expect(add("null", "{}") == "{}")
    #expect(
      ask("query-chardev") == #"[{"label": "c", "filename": "null", "frontend-open": false}]"#)
    #expect(add("null", "{}") == "!GenericError: Chardev with id 'c' already exists")
    #expect(ask("chardev-change", #"{"id":"c","backend":{"type":"ringbuf","data":{}}}"#) == "{}")
    #expect(rig.machine.engine.chardev(label: "c") is RingBuffer)
    #expect(
      ask("chardev-change", #"{"id":"d","backend":{"type":"null","data":{}}}"#)
        == "!GenericError: Chardev 'd' does not exist")
    #expect(ask("chardev-send-break", #"{"id":"c"}"#) == "{}")
    #expect(ask("chardev-send-break", #"{"id":"d"}"#) == "!GenericError: Chardev 'd' not found")
    #expect(ask("chardev-remove", #"{"id":"d"}"#) == "!GenericError: Chardev 'd' not found")
    #expect(ask("chardev-remove") == "!GenericError: Parameter 'id' is missing")
    #expect(ask("chardev-remove", #"{"id":"c"}"#) == "{}")
    #expect(rig.spares == [])
    #expect(
      add("file", #"{"out":"/no/such/place"}"#)
        .hasPrefix("!GenericError: Failed to add chardev 'c': "))
    #expect(ask("query-chardev-backends").contains(#"{"name": "ringbuf"}"#))
  }

  @Test("Clients add so many backends, and so much memory of theirs, and no more")
  func boundsWhatClientsAdd() {
    let size = ControlServer.chardevMemoryLimit / 4
    for number in 1...4 { #expect(add("ringbuf", #"{"size":\#(size)}"#, id: "r\(number)") == "{}") }
    #expect(
      add("ringbuf", #"{"size":2}"#)
        == "!GenericError: Failed to add chardev 'c': backends that clients add may hold 256 MiB in"
        + " memory, all together; give a smaller size, or remove one by chardev-remove")
    #expect(
      ask("chardev-change", #"{"id":"r1","backend":{"type":"ringbuf","data":{"size":\#(size)}}}"#)
        == "{}")
    #expect(
      ask(
        "chardev-change", #"{"id":"r1","backend":{"type":"ringbuf","data":{"size":\#(2 * size)}}}"#
      ).contains("may hold 256 MiB"))
    #expect(ask("chardev-remove", #"{"id":"r2"}"#) == "{}")
    #expect(add("ringbuf", #"{"size":2}"#) == "{}")
    #expect(rig.spares == ["r1", "r3", "r4", "c"])
    for number in rig.spares.count..<ControlServer.chardevLimit {
      #expect(
        add(
          "udp", #"{"remote":{"type":"inet","data":{"host":"127.0.0.1","port":"9"}}}"#,
          id: "u\(number)") == "{}")
    }
    #expect(
      add("ringbuf", #"{"size":2}"#, id: "x")
        == "!GenericError: Failed to add chardev 'x': clients have added 1024 backends already;"
        + " remove one by chardev-remove")
  }

  @Test func readsAndWritesRingBuffers() {
    #expect(add("ringbuf", "{}", id: "r") == "{}")
    #expect(ask("ringbuf-write", #"{"device":"r","data":"hello"}"#) == "{}")
    #expect(ask("ringbuf-read", #"{"device":"r","size":3}"#) == #""hel""#)
    #expect(ask("ringbuf-read", #"{"device":"r","size":30,"format":"base64"}"#) == #""bG8=""#)
    #expect(
      ask("ringbuf-write", #"{"device":"r","data":"AP8h","format":"base64"}"#) == "{}")
    #expect((rig.machine.engine.chardev(label: "r") as? RingBuffer)?.contents == [0, 255, 33])
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
    #expect(add("null", "{}") == "{}")
    #expect(
      ask("ringbuf-read", #"{"device":"c","size":1}"#) == "!GenericError: c is not a ringbuf device"
    )
  }

  @Test("One command brings a bounded part, whatever it asks for; the rest is the next one's")
  func readsRingBuffersInParts() throws {
    #expect(add("ringbuf", #"{"size":1048576}"#, id: "r") == "{}")
    let buffer = try #require(rig.machine.engine.chardev(label: "r") as? RingBuffer)
    buffer.write(Array(repeating: 120, count: 600 << 10))
    for expected in [256 << 10, 256 << 10, 88 << 10, 0] {
      let reply = ask("ringbuf-read", #"{"device":"r","size":67108864}"#)
      #expect(reply.utf8.count == expected + 2)
    }
  }

  @Test("Who waits for a text hears that the buffer has been exchanged, or is gone")
  func noticesAnotherRingBuffer() throws {
    let other = try rig.ready()
    let wait = #"{"execute":"x-swiftvm-ringbuf-wait","arguments":{"device":"r","text":"x"}}"#
    let change = #""arguments":{"id":"r","backend":{"type":"ringbuf","data":{}}}}"#
    #expect(add("ringbuf", "{}", id: "r") == "{}")
    client.send(wait)
    rig.settle()
    #expect(other.ask(#"{"execute":"chardev-change","# + change) == #"{"return": {}}"#)
    #expect(client.line()?.contains("Device 'r' is another one now") == true)
    client.send(wait)
    rig.settle()
    #expect(
      other.ask(#"{"execute":"chardev-remove","arguments":{"id":"r"}}"#) == #"{"return": {}}"#)
    #expect(client.line()?.contains("Device 'r' not found") == true)
  }

  @Test func waitsForATextInARingBuffer() throws {
    #expect(add("ringbuf", "{}", id: "r") == "{}")
    client.send(
      #"{"execute":"x-swiftvm-ringbuf-wait","arguments":{"device":"r","text":"lo w"},"id":1}"#)
    rig.settle()
    let other = try rig.ready()
    for text in ["hello", " world"] {
      #expect(
        other.ask(
          #"{"execute":"ringbuf-write","arguments":{"device":"r","data":"\#(text)"}}"#)
          == #"{"return": {}}"#)
    }
    #expect(client.line() == #"{"return": {}, "id": 1}"#)
    #expect(
      ask("x-swiftvm-ringbuf-wait", #"{"device":"r","text":"x","timeout":0}"#)
        == "!GenericError: the text has not come within the timeout")
  }
}
