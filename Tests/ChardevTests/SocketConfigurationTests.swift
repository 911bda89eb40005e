import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// Access to a socket, ports, and what cannot be had together.
@Suite(.timeLimit(.minutes(1)))
struct SocketConfigurationTests {
  private func status(_ path: String) -> stat {
    var status = stat()
    #expect(lstat(path, &status) == 0)
    return status
  }

  private func open(_ configuration: SocketConfiguration) throws -> any Chardev {
    try ChardevOpener().open(ChardevConfiguration(.socket(configuration)))
  }

  @Test(arguments: [UInt32(0o600), 0o660, 0o666, 0o777, 0])
  func theFileHasTheModeThatWasAskedFor(mode: UInt32) throws {
    let directory = try TemporaryDirectory()
    let chardev = try open(
      SocketConfiguration(.unix(path: directory["a"]), access: .init(mode: mode)))
    #expect(status(directory["a"]).st_mode == S_IFSOCK | mode)
    chardev.stop()
    #expect(directory.entries == [])
  }

  @Test func theFileHasTheOwnerThatWasAskedFor() throws {
    let directory = try TemporaryDirectory()
    let chardev = try open(
      SocketConfiguration(
        .unix(path: directory["a"]),
        access: .init(mode: 0o640, owner: "\(getuid())", group: "\(getgid())")))
    defer { chardev.stop() }
    #expect(status(directory["a"]).st_uid == getuid())
    #expect(status(directory["a"]).st_gid == getgid())
    guard getuid() == 0 else { return }
    let given = try open(
      SocketConfiguration(
        .unix(path: directory["b"]), access: .init(mode: 0o640, owner: "daemon", group: "bin")))
    defer { given.stop() }
    #expect(status(directory["b"]).st_uid == getpwnam("daemon").pointee.pw_uid)
    #expect(status(directory["b"]).st_gid == getgrnam("bin").pointee.gr_gid)
    #expect(status(directory["b"]).st_mode == S_IFSOCK | 0o640)
  }

  @Test func whoMayNotGiveItAwayIsToldAndLeavesNothing() async {
    await #expect(processExitsWith: .exitCode(0)) {
      guard let directory = try? TemporaryDirectory() else { exit(1) }
      chmod(directory.path, 0o777)
      // In a process of its own, which may give up being root.
      if geteuid() == 0 { seteuid(65534) }
      let configuration = SocketConfiguration(
        .unix(path: directory["a"]), access: .init(owner: "0"))
      do throws(ChardevError) {
        _ = try ChardevOpener().open(ChardevConfiguration(.socket(configuration)))
        exit(2)
      } catch {
        guard error.description.contains("cannot set its owner and group") else { exit(3) }
        exit(directory.entries.isEmpty ? 0 : 4)
      }
    }
  }

  @Test func theUnknownAreRefusedByName() throws {
    let directory = try TemporaryDirectory()
    for access in [
      SocketConfiguration.Access(owner: "no such user"), .init(group: "no such group"),
      .init(mode: 0o1777),
    ] {
      #expect(throws: ChardevError.self) {
        try open(SocketConfiguration(.unix(path: directory["a"]), access: access))
      }
    }
    #expect(directory.entries == [])
  }

  @Test(
    "SO_PEERCRED: whose processes may connect", arguments: [Endpoint.path, .abstract, .packets])
  func onlyTheListedAreServed(at endpoint: Endpoint) throws {
    let (user, group) = (getuid(), getgid())
    let cases: [(users: [UInt32]?, groups: [UInt32]?, isServed: Bool)] = [
      ([user], nil, true), ([user &+ 1], nil, false), ([], nil, false), (nil, [group], true),
      (nil, [group &+ 77], false), ([user &+ 1], [group], true),
      ([user &+ 1, user], [group &+ 77], true),
    ]
    for (users, groups, isServed) in cases {
      let served = try ServedEndpoint(endpoint) {
        $0.access.peerUsers = users
        $0.access.peerGroups = groups
      }
      let client = try served.connect()
      #expect(served.chardev.isConnected == isServed)
      #expect(served.counters.deniedClients == (isServed ? 0 : 1))
      if !isServed { #expect(client.isAtEnd) }
    }
  }

  @Test func aFurtherGroupCounts() throws {
    var groups = [gid_t](repeating: 0, count: 256)
    let count = getgroups(256, &groups)
    guard count > 0, let further = groups.prefix(Int(count)).first(where: { $0 != getgid() })
    else { return }
    let served = try ServedEndpoint(.path) { $0.access.peerGroups = [further] }
    _ = try served.connect()
    #expect(served.chardev.isConnected)
  }

  @Test("to=: the first free port of the range")
  func takesTheFirstFreePort() throws {
    let first = try ServedEndpoint(.tcp)
    let taken = try first.address.port
    guard taken < UInt16.max - 10 else { return }
    // By its name, too: it is not to be had in another family for as long.
    for host in ["127.0.0.1", "localhost"] {
      #expect(throws: ChardevError.self) {
        try open(SocketConfiguration(.tcp(host: host, port: taken)))
      }
    }
    let second = try open(
      SocketConfiguration(.tcp(host: "127.0.0.1", port: taken, lastPort: taken + 10)))
    defer { second.stop() }
    let text = second.filename.dropFirst("disconnected:tcp:127.0.0.1:".count).prefix { $0 != "," }
    let port = try #require(UInt16(text))
    #expect((taken + 1...taken + 10).contains(port))
  }

  @Test func aPortIsFreeAgainAtOnce() throws {
    let served = try ServedEndpoint(.tcp)
    let port = try served.address.port
    let client = try served.connect()
    #expect(served.loop.turn { served.chardev.isConnected })
    served.chardev.stop()
    #expect(client.isAtEnd)
    let again = try open(SocketConfiguration(.tcp(host: "127.0.0.1", port: port)))
    again.stop()
  }

  @Test("Other machines are kept out unless they are let in", arguments: ["0.0.0.0", "::"])
  func listensForThisHostAlone(host: String) throws {
    let error = #expect(throws: ChardevError.self) {
      try open(SocketConfiguration(.tcp(host: host, port: 0)))
    }
    #expect(error?.description.contains("can be reached from other machines") == true)
    guard host == "0.0.0.0" || Endpoint.all.contains(.tcp6) else { return }
    let chardev = try open(
      SocketConfiguration(.tcp(host: host, port: 0), isReachableFromOutside: true))
    chardev.stop()
  }

  @Test func anEmptyHostIsThisOne() throws {
    let chardev = try open(SocketConfiguration(.tcp(host: "", port: 0)))
    defer { chardev.stop() }
    #expect(chardev.filename.hasPrefix("disconnected:tcp:127.0.0.1:"))
    let open = try open(
      SocketConfiguration(.tcp(host: "", port: 0), isReachableFromOutside: true))
    defer { open.stop() }
    #expect(open.filename.hasPrefix("disconnected:tcp:0.0.0.0:"))
  }

  @Test func whatCannotBeHadTogetherIsRefusedByName() throws {
    let path = SocketConfiguration.Address.unix(path: "/nonexistent/a")
    let tcp = SocketConfiguration.Address.tcp(host: "127.0.0.1", port: 1)
    let dial = SocketConfiguration.Role.connecting(reconnectMilliseconds: 1)
    let cases: [(SocketConfiguration, String)] = [
      (.init(tcp, kind: .seqpacket), "seqpacket"),
      (.init(.tcp(host: "127.0.0.1", port: 2, lastPort: 1)), "to=1"),
      (.init(tcp, access: .init(mode: 0o600)), "mode="),
      (.init(.abstract(name: "a"), access: .init(owner: "0")), "owner="),
      (.init(tcp, access: .init(peerUsers: [0])), "allow-uid="),
      (.init(path, role: dial, access: .init(group: "0")), "group="),
      (.init(path, role: dial, access: .init(peerGroups: [0])), "allow-gid="),
      (.init(path, role: dial, clients: .queue), "clients="),
      (.init(.tcp(host: "::1", port: 1, lastPort: 2), role: dial), "to="),
      (.init(.tcp(host: "::1", port: 0), role: dial), "port 0"),
      (.init(path, role: .connecting(reconnectMilliseconds: 0)), "reconnect="),
      (.init(path, keepaliveSeconds: -1), "keepalive=-1"),
      (.init(path, replaySize: 1 << 30), "replay=1073741824"),
      (.init(path, kind: .seqpacket, replaySize: 1), "replay="),
      (.init(path, role: dial, replaySize: 1), "replay="),
      (.init(.abstract(name: "")), "abstract"),
      (.init(.abstract(name: String(repeating: "x", count: 108))), "108 bytes"),
      (.init(.tcp(host: "not a host", port: 1)), "not a host"),
      (.init(.tcp(host: "[nonsense]", port: 1)), "[nonsense]"),
      (.init(.tcp(host: "a\0b", port: 1)), "NUL"),
      (.init(path), "/nonexistent"),
    ]
    for (configuration, part) in cases {
      let error = #expect(throws: ChardevError.self, "\(part)") { try open(configuration) }
      #expect(error?.description.contains(part) == true, "\(part)")
      #expect(error?.description.contains("\n") == false)
    }
  }

  @Test("H10: an abstract name that is in use is left alone")
  func leavesALiveAbstractSocketAlone() throws {
    let served = try ServedEndpoint(.abstract)
    let name = served.directory["port0"]
    let error = #expect(throws: ChardevError.self) {
      try open(SocketConfiguration(.abstract(name: name)))
    }
    #expect(error?.description.contains("in use") == true)
    let client = try served.connect()
    #expect(served.frontEnd.write("alive") == .transferred(5))
    #expect(client.receiveText() == "alive")
    served.chardev.stop()
    let again = try open(SocketConfiguration(.abstract(name: name)))
    again.stop()
  }

  @Test("H10: a live socket of packets is left alone, and a stale one replaced")
  func treatsPacketSocketsAsStreams() throws {
    let served = try ServedEndpoint(.packets)
    let path = served.directory["port0"]
    for kind in SocketConfiguration.Kind.allCases {
      #expect(throws: ChardevError.self) {
        try open(SocketConfiguration(.unix(path: path), kind: kind))
      }
    }
    served.chardev.stop()
    try served.directory.makeSocket("port0")
    let again = try open(SocketConfiguration(.unix(path: path), kind: .seqpacket))
    again.stop()
    #expect(served.directory.entries == [])
  }

  @Test func addressesAreWrittenAsInQEMU() throws {
    let v6 = SocketAddress.loopback(AF_INET6).withPort(4444)
    #expect(v6.text == "[::1]:4444")
    #expect(v6.port == 4444)
    #expect(SocketAddress.wildcard(AF_INET).withPort(80).text == "0.0.0.0:80")
    #expect(SocketAddress(try SocketPath("/tmp/port0")).text == "unix:/tmp/port0")
    #expect(try SocketAddress(abstractName: "port0").text == "unix:port0,abstract=on")
    let mapped = try AddressResolver.resolve(
      host: "::ffff:127.0.0.1", port: 1, type: Int32(SOCK_STREAM.rawValue))
    #expect(mapped.count == 1 && mapped[0].isLoopback)
    #expect(!SocketAddress.wildcard(AF_INET6).isLoopback)
    #expect(!SocketAddress.wildcard(AF_INET).isLoopback)
  }
}
