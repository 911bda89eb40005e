import Glibc
import KVM
import TestSupport
import Testing

/// `swiftvm run` of the bare-metal guest of `guest-images/micro`, as a process with a directory of
/// its own. Killed with the last reference.
struct MicroVM {
  static let kernelPath: String = {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(root)/guest-images/build/micro/guest.elf"
  }()

  /// Why the tests that use it are skipped; nil where they are not.
  private static let obstacle: String? = {
    guard access(kernelPath, R_OK) == 0 else {
      return "skipped: run guest-images/micro/build.sh first"
    }
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
    kernel: String = kernelPath, memory: String = "16M"
  ) throws {
    self.directory = try directory ?? TemporaryDirectory()
    let sockets = ports.flatMap { ["--virtserialport", "name=\($0),socket=\($0)"] }
    let words =
      ["run", "--kernel", kernel, "--memory", memory, "--append", commandLine]
      + sockets + options
    process = try RunningProgram(
      words.map { Array($0.utf8) }, in: self.directory, launcher: launcher,
      standardError: standardError)
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
  func status(seconds: Double = 20) -> Int32? {
    if case .exited(let status) = process.waitForEnd(seconds: seconds) { status } else { nil }
  }
}
