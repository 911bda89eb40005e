import Control
import TestSupport
import Testing

/// Host ends of every kind that come, are used by a port, and go.
extension StockGuestTests.PortHotPlugTests {
  /// A backend, and how it is used through a port.
  private typealias Kind = (id: String, use: () throws -> Void)

  /// Each is used in the guest's next life as well.
  @Test("virtio_serial_various_chardev_hotplug") func everyKindOfChardevComesAndGoes() throws {
    let kinds = [
      try unixSocket(), try tcpSocket(), try terminal(), try nothing(), try file(),
      try ringBuffer(),
    ]
    for kind in kinds {
      #expect(try guest.chardev(kind.id)?["frontend-open"] == false)
      try guest.addPort(kind.id)
      try kind.use()
    }
    try guest.expectRestart { try agent.say("reboot -f") }
    for kind in kinds {
      try agent.run("await-port \(kind.id)")
      try kind.use()
      try guest.remove(kind.id)
      try guest.removeChardev(kind.id)
      #expect(try guest.chardev(kind.id) == nil)
    }
    try guest.awaitAbsence(of: kinds.map(\.id))
  }

  private func unixSocket() throws -> Kind {
    try guest.addSocket("unix")
    return ("unix", { try guest.checkEcho("unix", try guest.connect("unix")) })
  }

  private func tcpSocket() throws -> Kind {
    try guest.addChardev(
      "tcp", "socket",
      [
        "addr": ["type": "inet", "data": ["host": "127.0.0.1", "port": "0"]], "server": true,
        "wait": false,
      ])
    let port = try tcpPort("tcp")
    return ("tcp", { try guest.checkEcho("tcp", try SocketClient(localPort: port)) })
  }

  /// From `disconnected:tcp:127.0.0.1:PORT,server=on`.
  private func tcpPort(_ id: String) throws -> UInt16 {
    let name = try #require(try guest.chardev(id)?["filename"]?.text)
    let place = try #require(name.split(separator: ",").first)
    return try #require(place.split(separator: ":").last.flatMap { UInt16($0) }, "\(name)")
  }

  private func terminal() throws -> Kind {
    let path = try #require(try guest.addChardev("pty", "pty")["pty"]?.text)
    #expect(try guest.chardev("pty")?["filename"] == .string("pty:" + path))
    return (
      "pty",
      {
        try agent.start("echo", "vport echo /dev/virtio-ports/pty 6")
        #expect(
          try Tool.shell("exec 3<>'\(path)'; echo hello >&3; read -r line <&3; echo $line")
            == "hello")
        try agent.finish("echo")
      }
    )
  }

  private func nothing() throws -> Kind {
    try guest.addChardev("null", "null")
    return ("null", { try agent.run("seq 1 100000 >/dev/virtio-ports/null") })
  }

  /// Emptied after each use.
  private func file() throws -> Kind {
    let path = guest.file("written")
    try guest.addChardev("file", "file", ["out": .string(path), "append": true])
    return (
      "file",
      {
        try agent.run("seq 1 1000 >/dev/virtio-ports/file")
        try Deadline(seconds: 30).wait(
          until: { try Tool.shell("seq 1 1000 | cmp - '\(path)' 2>&1 || true") == "" },
          "the file's bytes")
        _ = try Tool.shell(": >'\(path)'")
      }
    )
  }

  private func ringBuffer() throws -> Kind {
    try guest.addChardev("ring", "ringbuf", ["size": 65536])
    return (
      "ring",
      {
        try control.execute("ringbuf-write", ["device": "ring", "data": "from the host\n"])
        #expect(try readRing(5) == "from ")
        #expect(try readRing(100) == "the host\n")
        try agent.run("echo from the guest >/dev/virtio-ports/ring")
        try control.execute(
          "x-swiftvm-ringbuf-wait", ["device": "ring", "text": "guest\n", "timeout": 30])
        #expect(try readRing(100) == "from the guest\n")
      }
    )
  }

  private func readRing(_ size: Int) throws -> String? {
    try control.execute("ringbuf-read", ["device": "ring", "size": .integer(size)]).text
  }
}
