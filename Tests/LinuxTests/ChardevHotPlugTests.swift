import Control
import Testing

/// Host ends of every kind that come, are used by a port, and go.
extension StockGuestTests.PortHotPlugTests {
  @Test("virtio_serial_various_chardev_hotplug") func everyKindOfChardevComesAndGoes() throws {
    try guest.addSocket("unix")
    try checkKind("unix") { try guest.checkEcho("unix", try guest.connect("unix")) }
    try guest.addChardev(
      "tcp", "socket",
      [
        "addr": ["type": "inet", "data": ["host": "127.0.0.1", "port": "0"]], "server": true,
        "wait": false,
      ])
    try checkKind("tcp") {
      try guest.checkEcho("tcp", try PortClient(localPort: try tcpPort("tcp")))
    }
    try checkTerminal()
    try guest.addChardev("null", "null")
    try checkKind("null") { try agent.run("seq 1 100000 >/dev/virtio-ports/null") }
    try checkFile()
    try checkRingBuffer()
  }

  /// Plugs a port that has the chardev, uses it, and unplugs both.
  private func checkKind(_ id: String, _ use: () throws -> Void) throws {
    #expect(try guest.chardev(id)?["frontend-open"] == false)
    try guest.addPort(id)
    try use()
    try guest.remove(id)
    try guest.removeChardev(id)
    #expect(try guest.chardev(id) == nil)
    try guest.awaitAbsence(of: [id])
  }

  /// From `disconnected:tcp:127.0.0.1:PORT,server=on`.
  private func tcpPort(_ id: String) throws -> UInt16 {
    let name = try #require(try guest.chardev(id)?["filename"]?.text)
    let place = try #require(name.split(separator: ",").first)
    return try #require(place.split(separator: ":").last.flatMap { UInt16($0) }, "\(name)")
  }

  private func checkTerminal() throws {
    let path = try #require(try guest.addChardev("pty", "pty")["pty"]?.text)
    #expect(try guest.chardev("pty")?["filename"] == .string("pty:" + path))
    try checkKind("pty") {
      try agent.start("echo", "vport echo /dev/virtio-ports/pty 6")
      #expect(
        try Tool.shell("exec 3<>'\(path)'; echo hello >&3; read -r line <&3; echo $line")
          == "hello")
      try agent.finish("echo")
    }
  }

  private func checkFile() throws {
    let path = guest.file("written")
    try guest.addChardev("file", "file", ["out": .string(path)])
    try checkKind("file") {
      try agent.run("seq 1 1000 >/dev/virtio-ports/file")
    }
    #expect(try Tool.shell("seq 1 1000 | cmp - '\(path)'") == "")
  }

  private func checkRingBuffer() throws {
    try guest.addChardev("ring", "ringbuf", ["size": 65536])
    try checkKind("ring") {
      try control.execute("ringbuf-write", ["device": "ring", "data": "from the host\n"])
      #expect(try readRing(5) == "from ")
      #expect(try readRing(100) == "the host\n")
      try agent.run("echo from the guest >/dev/virtio-ports/ring")
      try control.execute(
        "x-swiftvm-ringbuf-wait", ["device": "ring", "text": "guest\n", "timeout": 30])
      #expect(try readRing(100) == "from the guest\n")
    }
  }

  private func readRing(_ size: Int) throws -> String? {
    try control.execute("ringbuf-read", ["device": "ring", "size": .integer(size)]).text
  }
}
