import Glibc
import TestSupport
import Testing

/// Who may control a machine, and what a client may have it do, by the program's own words.
@Suite(MicroVM.requirement)
struct ControlSocketTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func start(_ words: String..., append: String = "run=hello end=spin") throws -> MicroVM {
    try MicroVM(append, ports: [], options: words, in: directory)
  }

  private func expectRefusal(_ words: [String], _ message: String) throws {
    let machine = try MicroVM("run=hello", ports: [], options: words, in: directory)
    #expect(machine.status() == 2)
    #expect(machine.process.errorOutput == "swiftvm: " + message + "\n")
    #expect(directory.entries == [])
  }

  @Test("QMP on TCP and at abstract names needs the word insecure=on, also on inherited sockets")
  func wantsTheWord() throws {
    try expectRefusal(
      ["--qmp", "tcp:127.0.0.1:0,server=on,wait=off"],
      "--qmp tcp:127.0.0.1:0: every program that reaches the port could control the machine,"
        + " a web page included; give a path, or add insecure=on")
    try expectRefusal(
      [
        "-chardev", "socket,id=m,path=n,abstract=on,server=on,wait=off", "-mon",
        "chardev=m,mode=control",
      ],
      "--qmp unix:n,abstract=on: an abstract name has no permissions, and containers on this network"
        + " reach it; give a path, or add insecure=on")
    let listener = Loopback.listen()
    defer { close(listener.descriptor) }
    let words = [
      "run", "--kernel", Checkout.microGuest, "-chardev", "socket,id=m,fd=9,server=on,wait=off",
      "-mon", "chardev=m,mode=control",
    ]
    let program = try RunningProgram(
      swiftvm: words, in: directory,
      launcher: ["/bin/sh", "-c", "exec 9<&0; exec \"$@\" </dev/null", "sh"],
      input: listener.descriptor)
    #expect(program.waitForEnd() == .exited(2))
    #expect(
      program.errorOutput
        == "swiftvm: --qmp tcp:127.0.0.1:\(listener.port): every program that reaches the port could"
        + " control the machine, a web page included; give a path, or add insecure=on\n")
  }

  @Test("A web page's request runs no command, and a client on TCP opens nothing on the host")
  func opensNothingOnTCP() throws {
    let (listener, port) = Loopback.listen()
    close(listener)
    let machine = try start(
      "--qmp", "tcp:127.0.0.1:\(port),server=on,wait=off,insecure=on", "--qmp", "qmp",
      "--virtio-serial", "id=v", append: "run=hello end=spin")
    #expect(machine.says("done"))
    #expect(
      machine.process.errorOutput
        == "swiftvm: warning: control socket tcp:127.0.0.1:\(port) is insecure:"
        + " every program that reaches it can control the machine\n")
    func plug(_ value: String) -> String {
      #"{"execute":"x-swiftvm-plug","arguments":{"option":"virtserialport","value":"\#(value)","directory":"\#(directory.path)"}}"#
    }
    let command = plug("name=x,exec=echo > ran")
    let page = SocketClient(adopting: Loopback.connect(to: port))
    page.send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\r\n"
        + #"{"execute":"qmp_capabilities"}"# + command)
    #expect(page.line()?.contains("QMP") == true)
    #expect(page.line()?.contains("none begins with 'P'") == true)
    #expect(page.isAtEnd)

    let client = SocketClient(adopting: Loopback.connect(to: port))
    #expect(client.line()?.contains("QMP") == true)
    client.send(#"{"execute":"qmp_capabilities"}"#)
    #expect(client.line() == "{\"return\": {}}\r")
    for value in [
      "name=x,exec=echo > ran", "name=x,file=ran", "name=x,socket=ran", "name=x,null,log=ran",
      "name=x,tcp-connect=127.0.0.1:\(port)", "name=x,pty=ran", "name=x,null,file=ran",
    ] {
      client.send(plug(value))
      #expect(client.line()?.contains("may open nothing on the host") == true, "\(value)")
    }
    client.send(plug("name=x,ringbuf"))
    #expect(client.line() == "{\"return\": {}}\r")
    #expect(!directory.entries.contains("ran"))
    // The same at the Unix socket is allowed.
    let qmp = try QMPClient(directory["qmp"])
    #expect(
      qmp.ask(
        "x-swiftvm-plug",
        #"{"option":"virtserialport","value":"name=y,exec=echo > ran","directory":"\#(directory.path)"}"#
      ) == "{}")
    #expect(waitUntil { directory.entries.contains("ran") })
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }

  @Test("A Unix control socket may lack the right, too; its file is for this user alone")
  func lacksTheRightWhereToldSo() throws {
    let machine = try start("--qmp", "qmp,host=off", "--virtio-serial", "id=v")
    #expect(machine.says("done"))
    var status = stat()
    #expect(stat(directory["qmp"], &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    let refused = try verb("plug", "name=x,socket=x", in: directory)
    #expect(refused.status == 1)
    #expect(refused.output.contains("may open nothing on the host (host=off)"))
    #expect(try verb("plug", "name=x,ringbuf", in: directory) == (0, ""))
    #expect(try verb("stop", in: directory) == (0, ""))
  }

  @Test("A guest that tells of panics without end makes one event a second")
  func throttlesPanics() throws {
    let machine = try start(
      "--qmp", "qmp", "-device", "pvpanic", append: "run=panics times=100000000")
    let client = try SocketClient(directory["qmp"])
    #expect(client.line()?.contains("QMP") == true)
    client.send(#"{"execute":"qmp_capabilities"}"#)
    usleep(2_500_000)
    client.send(#"{"execute":"query-name","id":"last"}"#)
    var count = 0
    while let line = client.line(), !line.contains(#""id": "last""#) {
      if line.contains("GUEST_PANICKED") { count += 1 }
    }
    #expect((2...5).contains(count))
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
  }
}
