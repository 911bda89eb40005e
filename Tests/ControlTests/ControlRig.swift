import Chardev
import Glibc
import Host
import TestSupport
import Testing

@testable import Control
@testable import SwiftVM

/// A control server of a machine that is not booted, on a loop that the test turns, and clients in the same
/// thread.
final class ControlRig {
  private static let kernelPath: String = {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(root)/guest-images/build/micro/guest.elf"
  }()

  /// For the suites: a machine can be made.
  static let requirement = ConditionTrait.enabled(
    if: access("/dev/kvm", R_OK | W_OK) == 0 && access(kernelPath, R_OK) == 0,
    "needs /dev/kvm, and guest-images/micro/build.sh run before")

  let directory: TemporaryDirectory
  let machine: VirtualMachine
  let server: ControlServer
  let socket: ServiceSocket

  var loop: EventLoop { machine.engine.loop }
  /// The ports of the one device.
  var ports: [VirtioConsolePortConfiguration] {
    machine.engine.configuration.consoleDevices[0].ports
  }
  /// The backends that have no port, by their ids.
  var spares: [String] { machine.engine.configuration.characterDevices.compactMap(\.id) }

  /// - Parameters:
  ///   - opensHost: whether clients have the right to open things on the host.
  ///   - users: those served beside this process's own.
  ///   - mode: the permissions of the socket's file.
  ///   - address: where clients come; a Unix socket's file unless given.
  ///   - ports: the names of the device's ports, which are also their ids; each leads nowhere.
  init(
    opensHost: Bool = true, users: [UInt32] = [], mode: UInt32? = nil,
    address: SocketConfiguration.Address? = nil, ports: [String] = ["n"],
    attachment: ChardevConfiguration = .none, parser: ControlServer.PortParser? = nil
  ) throws {
    directory = try TemporaryDirectory()
    chmod(directory.path, 0o755)
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(kernelPath: Self.kernelPath), memorySize: 16 << 20,
      consoleDevices: [
        VirtioConsoleDeviceConfiguration(
          id: "vs0",
          ports: ports.map {
            VirtioConsolePortConfiguration(id: "id-" + $0, name: $0, attachment: attachment)
          }, maximumPortCount: 1000)
      ])
    configuration.name = "vm"
    machine = try VirtualMachine(configuration)
    var service = SocketConfiguration(address ?? .unix(path: directory["qmp"]))
    service.access.mode = mode
    socket = try ServiceSocket(service, users: users)
    server = try ControlServer(
      machine, at: [ControlServer.Listener(socket: socket, opensHost: opensHost)],
      parser)
    machine.executor.begin()
    try machine.engine.beginService()
  }

  /// A client that has said nothing yet.
  func connect() throws -> LineClient { client(try SocketClient(directory["qmp"])) }

  /// A client whose waiting keeps the server going.
  func client(_ socket: SocketClient) -> LineClient {
    LineClient(socket) { [self] _, condition in turn(condition) }
  }

  /// A client that has negotiated.
  func ready() throws -> LineClient {
    let client = try connect()
    _ = client.line()
    _ = client.ask(#"{"execute":"qmp_capabilities"}"#)
    return client
  }

  /// Turns the loop until something is the case.
  func turn(_ condition: () -> Bool) -> Bool {
    // Tests may go on in another thread than the one they were made in.
    machine.executor.begin()
    return waitUntil {
      loop.turn(timeoutMilliseconds: 0)
      return condition()
    }
  }
}

extension ControlRig {
  /// Lets the server do all that it has been given, which a Unix socket brings at once.
  func settle() {
    machine.executor.begin()
    for _ in 0..<10 { loop.turn(timeoutMilliseconds: 0) }
  }
}

/// A suite of tests of commands.
protocol CommandSuite {
  /// One that has negotiated.
  var client: LineClient { get }
}

extension CommandSuite {
  /// A command's reply without the frame around it; an error begins with an exclamation mark.
  func ask(_ command: String, _ arguments: String = "{}") -> String {
    let reply =
      client.ask(#"{"execute":"\#(command)","arguments":\#(arguments)}"#) ?? "nothing"
    for (frame, mark) in [(#"{"return": "#, ""), (#"{"error": {"class": ""#, "!")]
    where reply.hasPrefix(frame) {
      let body = reply.dropFirst(frame.count).dropLast(mark.isEmpty ? 1 : 3)
      return mark + body.replacing(#"", "desc": ""#, with: ": ")
    }
    return reply
  }

  /// The reply to chardev-add.
  func add(_ type: String, _ data: String, id: String = "c") -> String {
    ask("chardev-add", #"{"id":"\#(id)","backend":{"type":"\#(type)","data":\#(data)}}"#)
  }
}

/// Does something as another user, whom the kernel remembers of sockets that listen or connect
/// then. For processes of root's with nothing else to do.
func asUser<Value>(_ user: uid_t, _ body: () throws -> Value) rethrows -> Value {
  seteuid(user)
  defer { seteuid(0) }
  return try body()
}
