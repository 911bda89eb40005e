import Glibc
import TestSupport
import Testing

/// A stock Linux guest under the executable, with ports; killed with its owner at the latest.
///
/// Used on one thread at a time, as the tests are (`.serialized`).
final class Guest: @unchecked Sendable {
  /// How to start one.
  struct Options {
    /// The guest's script (guest-images/scripts).
    var action = "agent"
    /// Named ports besides the agent's.
    var ports: [String] = []
    /// Devices besides the one with these.
    var devices: [Device] = []
    /// Keys, and their values, of ports by their names.
    var portKeys: [String: String] = [:]
    /// Presets of ports (`--preset`), each with a socket of its own name.
    var presets: [String] = []
    /// Listening sockets that no port has yet, each by its chardev's id.
    var spareSockets: [String] = []
    /// Whether there is a control socket.
    var hasControl = false
    /// Words for the kernel's command line.
    var append = "quiet"
    /// Options of `swiftvm run`.
    var arguments: [String] = []
    /// A program, with its words, that starts the executable.
    var launcher: [String] = []
    /// The terminal to be started on.
    var terminal: String?
    /// Whether the kernel is one that warns of something on every machine.
    var mayWarn = false
    /// The kernel for hardware of all kinds (`make generic`), instead of the cloud's.
    var isGeneric = false
    /// The image with real programs, instead of the one that `swiftvm run` takes by default.
    var hasPrograms = false
  }

  /// One `--virtio-serial`, with ports of its own.
  struct Device {
    var id: String
    /// Keys and their values.
    var keys: [String] = []
    var ports: [String] = []
  }

  static let agentPort = "org.swiftvm.test"
  private static let controlSocket = "control"
  /// How long a boot may take.
  static let bootLimit = 150.0

  /// Makes a kernel that warns, or is tainted in any way, panic: `quiet` hides warnings.
  private static let strictness = "panic_on_warn=1 panic_on_taint=0xffffffff"
  /// What a kernel says when something is wrong with it.
  private static let complaints = [
    "WARNING: ", "BUG: ", "Oops: ", "panic_on_warn", "panic_on_taint", "Tainted: ",
    " stalls on CPUs",
    "blocked for more than",
  ]

  let process: RunningProgram
  private let directory: TemporaryDirectory
  private let portNames: [String]
  private let mayWarn: Bool
  private var connectedAgent: Agent?
  private var connectedControl: QMPClient?
  private var reportedComplaints = 0

  init(_ options: Options = Options()) throws {
    directory = try TemporaryDirectory()
    let firstPorts = options.ports + (options.action == "agent" ? [Self.agentPort] : [])
    portNames = firstPorts + options.devices.flatMap(\.ports)
    mayWarn = options.mayWarn
    let strictness = mayWarn ? "" : Self.strictness
    let append = "swiftvm.run=\(options.action) \(strictness) \(options.append)"
    var words = options.launcher + [LinuxHost.executable, "run", "--append", append]
    words += options.arguments
    if options.isGeneric {
      let image = Checkout.guestImages + "/generic"
      words += ["--kernel", image + "/vmlinux", "--initrd", image + "/initramfs.cpio"]
    }
    if options.hasPrograms {
      words += ["--kernel", Checkout.guestImages + "/vmlinux", "--initrd", ProgramImage.initramfs]
    }
    let first = Device(id: "first", ports: firstPorts)
    for device in options.devices.isEmpty ? [] : [first] + options.devices {
      words += ["--virtio-serial", (["id=\(device.id)"] + device.keys).joined(separator: ",")]
    }
    for device in [first] + options.devices {
      for name in device.ports {
        let bus = options.devices.isEmpty ? "" : ",bus=\(device.id).0"
        let keys = options.portKeys[name].map { "," + $0 } ?? ""
        words += ["--virtserialport", "name=\(name),socket=\(directory[name])\(bus)\(keys)"]
      }
    }
    for preset in options.presets {
      words += ["--preset", "\(preset),socket=\(directory[preset])"]
    }
    for id in options.spareSockets {
      words += ["-chardev", "socket,id=\(id),path=\(directory[id]),server=on,wait=off"]
    }
    if options.hasControl { words += ["--qmp", directory[Self.controlSocket]] }
    process = try RunningProgram(words, terminal: options.terminal)
  }

  deinit { checkKernel() }

  /// Fails the test if the guest's kernel has complained on the console since the last time.
  func checkKernel() {
    guard !mayWarn else { return }
    let found = complaints
    for line in found.dropFirst(reportedComplaints) { Issue.record("the guest's kernel: \(line)") }
    reportedComplaints = found.count
  }

  /// The lines of the console by which the kernel says that something is wrong with it.
  var complaints: [Substring] {
    console.split(whereSeparator: \.isNewline).filter { line in
      Self.complaints.contains { line.contains($0) }
    }
  }

  /// Where a port's clients go.
  func socketPath(_ port: String) -> String { directory[port] }

  func connect(_ port: String) throws -> SocketClient { try SocketClient(socketPath(port)) }

  /// A file of this guest's folder on the host.
  func file(_ name: String) -> String { directory[name] }

  /// The agent. Connected at the first use, mostly before the guest has booted.
  var agent: Agent {
    get throws {
      if let connectedAgent { return connectedAgent }
      let agent = Agent(try connect(Self.agentPort))
      connectedAgent = agent
      return agent
    }
  }

  /// A client of the control socket, the same every time.
  var control: QMPClient {
    get throws {
      if let connectedControl { return connectedControl }
      let control = try QMPClient(directory[Self.controlSocket])
      connectedControl = control
      return control
    }
  }

  /// Lets the agent's client go; the next use of the agent has a new one.
  func disconnectAgent() { connectedAgent = nil }

  /// Waits until the guest answers.
  func awaitAgent() throws {
    do { try agent.run("true", seconds: Self.bootLimit) } catch {
      throw Failure("the guest did not come up: \(error)\n\(log)")
    }
  }

  /// Runs what restarts the guest, and waits for the guest's next life.
  func expectRestart(_ restart: () throws -> Void) throws {
    let life = try agent.run("cat /proc/sys/kernel/random/boot_id")
    let count = count(of: "init: agent")
    try restart()
    try Deadline(seconds: Guest.bootLimit).wait(
      until: { self.count(of: "init: agent") == count + 1 }, "the guest's next boot")
    try awaitAgent()
    #expect(try agent.run("cat /proc/sys/kernel/random/boot_id") != life)
  }

  /// The sockets that are there.
  var sockets: [String] { portNames.filter { File.exists(directory[$0]) } }

  /// What the guest wrote to its console, if that went to standard output.
  var console: String { process.output }

  /// How many lines of the console begin so.
  func count(of start: String) -> Int {
    console.split(whereSeparator: \.isNewline).count { $0.hasPrefix(start) }
  }

  /// What the executable said.
  var messages: String { process.errorOutput }

  /// The last of console and messages, for a failure's report.
  var log: String {
    let lines = (console + messages).split(whereSeparator: \.isNewline)
    return lines.suffix(30).joined(separator: "\n")
  }

  /// Waits for the guest's own end.
  func awaitEnd(seconds: Double = Guest.bootLimit) throws -> RunningProgram.Ending {
    guard let ending = process.waitForEnd(seconds: seconds) else {
      throw Failure("the machine did not end within \(Int(seconds)) s\n\(log)")
    }
    return ending
  }

  /// Has the guest power off, and waits for that.
  func powerOff() throws -> RunningProgram.Ending {
    #expect(try mayWarn || agent.run("cat /proc/sys/kernel/tainted") == "0")
    try agent.say("poweroff -f")
    return try awaitEnd(seconds: 60)
  }
}
