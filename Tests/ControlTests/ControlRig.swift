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

  var loop: EventLoop { machine.loop }
  /// The ports of the one device.
  var ports: [VirtioConsolePortConfiguration] { machine.configuration.consoleDevices[0].ports }
  /// The backends that have no port, by their ids.
  var spares: [String] { machine.configuration.characterDevices.compactMap(\.id) }

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
    machine.gate.begin()
    try machine.machine.beginService()
  }

  /// A client that has said nothing yet.
  func connect() throws -> RigClient {
    RigClient(try SocketClient(directory["qmp"]), rig: self)
  }

  /// A client that has negotiated.
  func ready() throws -> RigClient {
    let client = try connect()
    _ = client.line()
    _ = client.ask(#"{"execute":"qmp_capabilities"}"#)
    return client
  }

  /// Turns the loop until something is the case.
  func turn(_ condition: () -> Bool) -> Bool {
    // Tests may go on in another thread than the one they were made in.
    machine.gate.begin()
    return waitUntil {
      loop.turn(timeoutMilliseconds: 0)
      return condition()
    }
  }
}

extension ControlRig {
  /// Lets the server do all that it has been given, which a Unix socket brings at once.
  func settle() {
    machine.gate.begin()
    for _ in 0..<10 { loop.turn(timeoutMilliseconds: 0) }
  }
}

/// A client whose waiting keeps the server going.
final class RigClient {
  let socket: SocketClient
  private let rig: ControlRig
  private var received: [UInt8] = []
  /// Descriptors that have come with replies.
  private(set) var descriptors: [Int32] = []
  private(set) var isAtEnd = false

  init(_ socket: SocketClient, rig: ControlRig) {
    self.socket = socket
    self.rig = rig
  }

  deinit { for descriptor in descriptors { close(descriptor) } }

  /// Sends a text, and returns the next line that is no event.
  func ask(_ text: String) -> String? {
    send(text)
    return reply()
  }

  /// The next line that is no event.
  func reply() -> String? {
    while let line = line() { if !line.contains(#""event": ""#) { return line } }
    return nil
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// Sends all, however slowly it is taken.
  func send(_ bytes: [UInt8]) {
    var rest = bytes[...]
    _ = rig.turn {
      rest = rest.dropFirst(socket.sendWhatFits(Array(rest.prefix(65536))))
      return rest.isEmpty
    }
  }

  /// The next line; nil at the end, or where none comes.
  func line() -> String? {
    var line: String?
    _ = rig.turn {
      receive()
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        line = String(decoding: received[..<end].filter { $0 != 0x0d }, as: UTF8.self)
        received.removeSubrange(...end)
      }
      return line != nil || isAtEnd
    }
    return line
  }

  /// Whether the server closes the connection.
  func isClosed() -> Bool {
    rig.turn {
      receive()
      return isAtEnd
    }
  }

  /// Sends a text with a descriptor.
  func send(_ text: String, with descriptor: Int32) {
    let connection = ControlConnection(FileDescriptor(owning: dup(socket.descriptor)))
    _ = connection.send(Array(text.utf8)[...], descriptor: descriptor)
  }

  private func receive() {
    let connection = ControlConnection(FileDescriptor(owning: dup(socket.descriptor)))
    withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { room in
      let receipt = connection.receive(into: room) { descriptors.append($0.release()) }
      switch receipt {
      case .bytes(let count): received += room.prefix(count)
      case .wouldBlock: break
      case .end, .failed: isAtEnd = true
      }
    }
  }
}

/// A suite of tests of commands.
protocol CommandSuite {
  /// One that has negotiated.
  var client: RigClient { get }
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
