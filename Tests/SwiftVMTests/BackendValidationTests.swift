import Glibc
import SwiftVM
import TestSupport
import Testing

/// What the backends of channels may be, backend by backend, DIR standing for the directory.
@Suite
struct BackendValidationTests {
  /// The problem of a machine whose only port has this backend.
  private func problem(
    _ prepare: (TemporaryDirectory) throws -> ChardevConfiguration
  ) throws -> String? {
    var fixture = try ConfigurationFixture()
    let end = try prepare(fixture.directory)
    fixture.configuration.consoleDevices[0].ports[0].attachment = end
    return fixture.problem()
  }

  private func socket(
    _ address: SocketConfiguration.Address, _ change: (inout SocketConfiguration) -> Void = { _ in }
  ) -> ChardevConfiguration {
    var socket = SocketConfiguration(address)
    change(&socket)
    return ChardevConfiguration(.socket(socket))
  }

  @Test func acceptsEveryBackend() throws {
    #expect(try problem { _ in .none } == nil)
    #expect(try problem { _ in socket(.abstract(name: "n")) } == nil)
    #expect(try problem { _ in socket(.tcp(host: "", port: 0)) } == nil)
    #expect(
      try problem { _ in socket(.tcp(host: "h", port: 1)) { $0.role = .connecting() } } == nil)
    #expect(try problem { socket(.unix(path: $0["none"])) { $0.role = .connecting() } } == nil)
    #expect(try problem { _ in ChardevConfiguration(.datagram(.init(port: 9))) } == nil)
    #expect(
      try problem {
        ChardevConfiguration(
          .file(.init(output: $0["out"], input: $0["kernel"], rotation: .init(size: 4096))))
      } == nil)
    #expect(
      try problem {
        _ = (try $0.makePipe("p.in"), try $0.makePipe("p.out"))
        return ChardevConfiguration(.pipe(path: $0["p"]))
      } == nil)
    #expect(
      try problem {
        try $0.makePipe("p")
        return ChardevConfiguration(.pipe(path: $0["p"]))
      } == nil)
    #expect(
      try problem {
        try $0.makeLink("tty", to: "nowhere")
        return ChardevConfiguration(.pseudoTerminal(link: $0["tty"]))
      } == nil)
    #expect(try problem { _ in ChardevConfiguration(.ringBuffer(size: 1)) } == nil)
    #expect(try problem { _ in ChardevConfiguration(.program(command: "cat")) } == nil)
    #expect(try problem { _ in ChardevConfiguration(.descriptor(.activation(name: "n"))) } == nil)
    #expect(
      try problem {
        ChardevConfiguration(.several([.file(path: $0["a"]), .file(path: $0["b"])]))
      } == nil)
  }

  @Test func refusesSockets() throws {
    let long = String(repeating: "s", count: 108)
    #expect(
      try problem { _ in socket(.abstract(name: "")) }
        == "--virtserialport abstract=: the name is empty; give abstract=NAME")
    #expect(
      try problem { _ in socket(.abstract(name: long)) }?
        .hasSuffix("the name has 108 bytes, and a socket's at most 107; choose a shorter name")
        == true)
    #expect(
      try problem { _ in socket(.unix(path: "/" + long)) { $0.role = .connecting() } }?
        .hasSuffix("the path has 109 bytes, and a socket's at most 107; choose a shorter path")
        == true)
    #expect(
      try problem { _ in socket(.tcp(host: "h", port: 0)) { $0.role = .connecting() } }
        == "--virtserialport tcp-connect=h:0: a peer has one port, from 1 to 65535; give HOST:PORT")
    #expect(
      try problem { _ in socket(.tcp(host: "", port: 9, lastPort: 8)) }
        == "--virtserialport tcp=:9: the ports' range is empty;"
        + " give a last port that is not below the first")
    #expect(
      try problem { _ in socket(.tcp(host: "", port: 9)) { $0.kind = .seqpacket } }
        == "--virtserialport seqpacket=on: packets are for Unix sockets; leave it out")
    #expect(
      try problem { socket(.unix(path: $0["s"])) { $0.access.mode = 0o1777 } }
        == "--virtserialport mode=1777: not a valid socket mode; give e.g. mode=660")
    #expect(
      try problem { _ in socket(.abstract(name: "n")) { $0.access.owner = "root" } }
        == "--virtserialport mode=: permissions are for listening Unix sockets with a path;"
        + " leave it out")
    #expect(
      try problem { _ in socket(.tcp(host: "", port: 9)) { $0.access.peerUsers = [0] } }
        == "--virtserialport allow-uid=: the user of a TCP client is not known; leave it out")
  }

  @Test("Who may connect is no question for a socket that connects itself")
  func refusesRightsOfConnectingSockets() throws {
    func connector(_ change: (inout SocketConfiguration) -> Void) throws -> String? {
      try problem {
        socket(.unix(path: $0["s"])) {
          $0.role = .connecting()
          change(&$0)
        }
      }
    }
    #expect(
      try connector { $0.access.peerUsers = [0] }
        == "--virtserialport allow-uid=: who may connect is for listening sockets; leave it out")
    #expect(
      try connector { $0.access.peerGroups = [0] }
        == "--virtserialport allow-gid=: who may connect is for listening sockets; leave it out")
  }

  @Test func refusesFiles() throws {
    #expect(
      try problem { _ in ChardevConfiguration(.file(.init())) }
        == "--virtserialport file=: there is no file; give file=PATH or input=PATH")
    #expect(
      try problem { ChardevConfiguration(.file(.init(input: $0["none"]))) }
        == "--virtserialport input=DIR/none: the file does not exist; check the path")
    #expect(
      try problem { ChardevConfiguration(.file(.init(input: $0.path))) }
        == "--virtserialport input=DIR: the path exists and is a directory; choose another path")
    #expect(
      try problem { _ in
        ChardevConfiguration(.file(.init(output: "/dev/null", rotation: .init(size: 4096))))
      }
        == "--virtserialport file=/dev/null: the path is a device, which cannot be rotated;"
        + " leave rotate-size out")
    #expect(
      try problem {
        ChardevConfiguration(.file(.init(output: $0["f"], rotation: .init(size: 4096, count: 0))))
      }
        == "--virtserialport rotate-count=0: a file cannot be rotated so;"
        + " give rotate-size= of 4096 or more and rotate-count= from 1 to 100")
    #expect(
      try problem { ChardevConfiguration(.pipe(path: $0["kernel"])) }
        == "--virtserialport pipe=DIR/kernel: there are no FIFOs of these names;"
        + " make them: mkfifo DIR/kernel.in DIR/kernel.out")
    #expect(
      try problem { ChardevConfiguration(.pseudoTerminal(link: $0["kernel"])) }
        == "--virtserialport pty=DIR/kernel: the path exists and is a regular file;"
        + " choose another path, or remove what is there")
  }

  @Test func refusesTheRest() throws {
    #expect(
      try problem { _ in ChardevConfiguration(.datagram(.init(port: 0))) }
        == "--virtserialport udp=localhost:0: this is no peer to send to;"
        + " give a host and a port from 1 to 65535")
    for size in [0, -1, 1000] {
      #expect(
        try problem { _ in ChardevConfiguration(.ringBuffer(size: size)) }
          == "--virtserialport size=\(size): size of ringbuf chardev must be power of two;"
          + " give e.g. size=64K")
    }
    #expect(
      try problem { _ in ChardevConfiguration(.ringBuffer(size: 512 << 20)) }
        == "--virtserialport size=536870912: a ring buffer does not keep so much; give at most 256M"
    )
    #expect(
      try problem { _ in ChardevConfiguration(.program(command: "")) }
        == "--virtserialport exec=: there is no command; give exec=COMMAND")
    #expect(
      try problem { _ in ChardevConfiguration(.descriptor(.number(0))) }
        == "--virtserialport fd=0: this descriptor is standard input;"
        + " give stdio, or a number from 1 on")
    #expect(
      try problem { _ in ChardevConfiguration(.descriptor(.number(.max))) }
        == "--virtserialport fd=2147483647: this process has inherited no such descriptor;"
        + " open it before swiftvm starts")
    #expect(
      try problem { _ in ChardevConfiguration(.several([])) }
        == "--virtserialport: there is no backend; name at least one")
  }

  @Test func checksLogs() throws {
    func logged(_ path: String, id: String? = nil) -> ChardevConfiguration {
      ChardevConfiguration(id: id, .null, log: LogConfiguration(path: path))
    }
    #expect(try problem { logged($0["log"]) } == nil)
    #expect(
      try problem { logged($0["kernel"]) }
        == "--virtserialport log=DIR/kernel: this file is the kernel;"
        + " choose another file for the output")
    #expect(
      try problem { logged($0["none/log"], id: "c") }
        == "-chardev logfile=DIR/none/log: the directory \"DIR/none\" does not exist;"
        + " make the directory, or choose another path")
  }

  @Test func findsWhatIsUsedTwice() throws {
    func pair(_ end: ChardevConfiguration) -> ChardevConfiguration {
      ChardevConfiguration(.several([end, end]))
    }
    for end in [
      socket(.abstract(name: "n")), socket(.tcp(host: "", port: 9)),
      ChardevConfiguration(.datagram(.init(port: 9, localPort: 9))),
      ChardevConfiguration(.descriptor(.activation(name: "n"))),
    ] {
      let found = try #require(try problem { _ in pair(end) })
      #expect(found.contains("in use already"), "\(found)")
    }
    #expect(try problem { _ in pair(socket(.tcp(host: "", port: 0))) } == nil)
  }

  @Test("Ids of chardevs: each once, unless it is the same, shared backend")
  func checksIdentifiers() throws {
    func problem(_ ends: [ChardevConfiguration]) throws -> String? {
      var fixture = try ConfigurationFixture()
      fixture.configuration.characterDevices = ends
      return fixture.problem()
    }
    let shared = ChardevConfiguration(id: "a", .null, isMultiplexed: true)
    #expect(try problem([shared, shared]) == nil)
    #expect(
      try problem([ChardevConfiguration(id: "a", .null), shared])
        == "-chardev id=a: Duplicate ID 'a' for chardev; give another id")
    #expect(
      try problem([ChardevConfiguration(id: "a", .null), ChardevConfiguration(id: "a", .null)])
        == "-chardev id=a: Device 'a' is in use;"
        + " add mux=on, or give every port a chardev of its own")
    #expect(
      try problem([ChardevConfiguration(id: "0", .null)])?.hasPrefix("-chardev id=0: this is no id")
        == true)
  }

  @Test func wantsControlSocketsThatListen() throws {
    func problem(_ end: ChardevConfiguration) throws -> String? {
      try self.problem(ofControlSocket: ControlSocketConfiguration(end))
    }
    #expect(try problem(.unixSocketServer(path: "/tmp/none")) == nil)
    #expect(
      try problem(socket(.unix(path: "/tmp/none")) { $0.role = .connecting() })
        == "--qmp: QMP clients come to the machine; add server=on,wait=off")
    #expect(
      try problem(
        socket(.unix(path: "/tmp/none")) { $0.role = .listening(waitsForClient: true) })
        == "--qmp: the machine does not wait for a QMP client; add wait=off")
    #expect(
      try problem(.none) == "--qmp: QMP is spoken on stream sockets only; give --qmp PATH")
    #expect(
      try problem(socket(.unix(path: "/tmp/none")) { $0.clients = .takeover })
        == "--qmp: a control socket serves several clients at once; leave clients out")
    #expect(
      try problem(socket(.tcp(host: "127.0.0.1", port: 0)) { $0.hasNoDelay = false })
        == "--qmp: replies go out at once; leave nodelay out")
  }

  @Test("A control socket that strangers reach needs the word for it, and opens nothing on TCP")
  func wantsTheWordForInsecureControlSockets() throws {
    func problem(
      _ address: SocketConfiguration.Address,
      _ change: (inout ControlSocketConfiguration) -> Void = { _ in }
    ) throws -> String? {
      var control = ControlSocketConfiguration(socket(address))
      change(&control)
      return try self.problem(ofControlSocket: control)
    }
    let tcp = SocketConfiguration.Address.tcp(host: "127.0.0.1", port: 0)
    #expect(
      try problem(tcp)
        == "--qmp tcp:127.0.0.1:0: every program that reaches the port could control the machine,"
        + " a web page included; give a path, or add insecure=on")
    #expect(try problem(tcp) { $0.isInsecure = true } == nil)
    #expect(
      try problem(tcp) { ($0.isInsecure, $0.opensHost) = (true, true) }
        == "--qmp tcp:127.0.0.1:0: clients on TCP may open nothing on the host;"
        + " leave host out, or give a path")
    #expect(
      try problem(tcp) { ($0.isInsecure, $0.users) = (true, [0]) }
        == "--qmp tcp:127.0.0.1:0: the user of a TCP client is not known;"
        + " leave allow-uid and allow-gid out")
    #expect(
      try problem(.abstract(name: "n"))
        == "--qmp unix:n,abstract=on: an abstract name has no permissions, and containers on this"
        + " network reach it; give a path, or add insecure=on")
    #expect(
      try problem(.abstract(name: "n")) { ($0.isInsecure, $0.opensHost) = (true, true) } == nil)
    #expect(
      try problem(.unix(path: "/tmp/none")) { $0.isInsecure = true }
        == "--qmp unix:/tmp/none: \"insecure\" is for TCP and abstract names; leave it out")
  }

  private func problem(ofControlSocket control: ControlSocketConfiguration) throws -> String? {
    var fixture = try ConfigurationFixture()
    fixture.configuration.controlSockets = [control]
    return fixture.problem()
  }

  @Test(arguments: ["", "a b", "a/b", ".hidden", "a\n", String(repeating: "n", count: 65)])
  func refusesNames(name: String) throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.name = name
    #expect(fixture.problem()?.hasSuffix("; give e.g. --name vm1") == true)
    fixture.configuration.name = "vm-1.example"
    #expect(fixture.problem() == nil)
  }
}
