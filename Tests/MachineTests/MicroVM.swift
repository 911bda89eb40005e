import Glibc
import KVM
import TestSupport
import Testing

/// `swiftvm run` of the bare-metal guest of `guest-images/micro`, as a process with a directory of
/// its own. Killed with the last reference.
struct MicroVM {
  /// Why the tests that use it are skipped; nil where they are not.
  private static let obstacle: String? = {
    if let obstacle = Checkout.microGuestObstacle { return obstacle }
    do throws(HypervisorError) {
      _ = try Hypervisor()
      return nil
    } catch { return "skipped: \(error)" }
  }()

  /// For the suites: their tests run where there is a /dev/kvm of any kind.
  static let requirement = ConditionTrait.enabled(
    if: obstacle == nil, Comment(rawValue: obstacle ?? "needs /dev/kvm"))

  let directory: TemporaryDirectory
  let process: RunningProgram

  /// Starts a guest.
  ///
  /// - Parameters:
  ///   - commandLine: what the guest is to do, see guest.c.
  ///   - ports: names; the socket of each lies in the directory under the same name.
  ///   - options: further words for `swiftvm run`.
  ///   - launcher: words of a program that runs it.
  ///   - standardError: an open descriptor.
  ///   - kernel: the path of a copy of the guest.
  ///   - memory: the guest's memory.
  init(
    _ commandLine: String, ports: [String] = ["a"], options: [String] = [],
    in directory: TemporaryDirectory? = nil, launcher: [String] = [], standardError: Int32? = nil,
    kernel: String = Checkout.microGuest, memory: String = "16M"
  ) throws {
    self.directory = try directory ?? TemporaryDirectory()
    let sockets = ports.flatMap { ["--virtserialport", "name=\($0),socket=\($0)"] }
    let words =
      ["run", "--kernel", kernel, "--memory", memory, "--append", commandLine]
      + sockets + options
    process = try RunningProgram(
      swiftvm: words, in: self.directory, launcher: launcher, standardError: standardError)
  }

  /// A client of a port's socket.
  func connect(_ port: String = "a") throws -> SocketClient {
    try SocketClient(directory[port])
  }

  /// The lines the guest has printed on its serial port.
  var lines: [String] {
    process.output.split(whereSeparator: { $0 == "\n" || $0 == "\r\n" }).map(String.init)
  }

  /// Waits for the guest's line.
  func says(_ line: String) -> Bool { process.waitForLine(line) }

  /// Waits for the end and returns its status; nil where a signal killed the process, or nothing.
  func status(seconds: Double = 20) -> Int32? { process.result(seconds: seconds).status }
}

/// Runs one of the program's verbs to its end.
///
/// - Parameters:
///   - control: whether it is told the control socket "qmp" in the directory; else machines are found
///     by their names.
///   - input: an open descriptor for its standard input.
func verb(
  _ words: String..., in directory: TemporaryDirectory, control: Bool = true, input: Int32? = nil
) throws -> (status: Int32?, output: String) {
  let result = try startVerb(words, in: directory, control: control, input: input).result()
  return (result.status, result.allOutput)
}

/// Starts a verb.
func startVerb(
  _ words: [String], in directory: TemporaryDirectory, control: Bool = true, input: Int32? = nil
) throws -> RunningProgram {
  let target = control ? ["--control", "qmp"] : []
  return try RunningProgram(
    swiftvm: words + target, in: directory,
    environment: ["XDG_RUNTIME_DIR=" + directory.path], input: input)
}
