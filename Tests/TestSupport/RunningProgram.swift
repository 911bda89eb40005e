import Glibc
import Host

/// The built executable as a process, run as a user would, with nothing to read unless given. Killed
/// with the last reference, if it still runs then.
package final class RunningProgram {
  /// How a process ended.
  package enum Ending: Equatable {
    case exited(Int32)
    case killed(Int32)
  }

  package let pid: pid_t
  private let results: TemporaryDirectory
  private var ending: Ending?

  /// The executable, beside the test bundle.
  package static func path() throws -> String {
    guard let bundle = realpath("/proc/self/exe", nil) else {
      throw SystemError("realpath", errno: errno)
    }
    defer { free(bundle) }
    let directory = String(cString: bundle).split(separator: "/").dropLast()
    let path = "/" + directory.joined(separator: "/") + "/swiftvm"
    guard access(path, X_OK) == 0 else { throw SystemError("access " + path, errno: errno) }
    return path
  }

  /// Starts the executable in a directory with only the variables given.
  ///
  /// - Parameters:
  ///   - launcher: words before the executable's, of a program that runs it.
  ///   - input: an open descriptor for its standard input.
  ///   - standardError: one for its standard error, in place of what is kept.
  package init(
    _ words: [[UInt8]], in directory: TemporaryDirectory, environment: [String] = [],
    launcher: [String] = [], input: Int32? = nil, standardError: Int32? = nil
  ) throws {
    results = try TemporaryDirectory()
    // env(1) changes the directory; spawn attributes that do are not in every C library.
    let leading = ["/usr/bin/env", "-C", directory.path, "--"] + launcher + [try Self.path()]
    pid = try Self.spawn(
      leading.map { Array($0.utf8) } + words, environment: environment,
      output: results["output"], errorOutput: results["error"],
      given: [(input, STDIN_FILENO), (standardError, STDERR_FILENO)])
  }

  deinit {
    guard ending == nil else { return }
    kill(pid, SIGKILL)
    _ = waitpid(pid, nil, 0)
  }

  /// What it has written to standard output so far.
  package var output: String { results.text(of: "output") }
  /// What it has written to standard error so far.
  package var errorOutput: String { results.text(of: "error") }

  /// Waits until standard output has this line.
  package func waitForLine(_ line: String, seconds: Double = 20) -> Bool {
    waitUntil(seconds: seconds) {
      ("\n" + output).replacing("\r").contains("\n" + line + "\n")
    }
  }

  /// Waits for the end; nil where it does not come.
  package func waitForEnd(seconds: Double = 20) -> Ending? {
    _ = waitUntil(seconds: seconds) {
      var status: Int32 = 0
      guard ending == nil, waitpid(pid, &status, WNOHANG) == pid else { return ending != nil }
      let signal = status & 0x7f
      ending = signal == 0 ? .exited((status >> 8) & 0xff) : .killed(signal)
      return true
    }
    return ending
  }

  /// Sends a signal, and returns how the process ended and how many seconds that took.
  package func end(by signal: Int32) -> (ending: Ending?, seconds: Double) {
    let start = monotonicSeconds()
    if ending == nil { kill(pid, signal) }
    let ending = waitForEnd()
    return (ending, monotonicSeconds() - start)
  }

  private static func spawn(
    _ words: [[UInt8]], environment: [String], output: String, errorOutput: String,
    given: [(descriptor: Int32?, stream: Int32)]
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_CREAT | O_WRONLY | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errorOutput, O_CREAT | O_WRONLY | O_APPEND, 0o600)
    for case (let descriptor?, let stream) in given {
      posix_spawn_file_actions_adddup2(&actions, descriptor, stream)
    }
    // This thread may have blocked or ignored what the program must get.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))

    let arguments = words.map(cString) + [nil]
    let variables = environment.map { cString(Array($0.utf8)) } + [nil]
    defer { for string in arguments + variables { free(string) } }
    var pid: pid_t = 0
    let result = posix_spawn(&pid, "/usr/bin/env", &actions, &attributes, arguments, variables)
    guard result == 0 else { throw SystemError("posix_spawn", errno: result) }
    return pid
  }

  private static func cString(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar>? {
    let copy = malloc(bytes.count + 1)?.assumingMemoryBound(to: CChar.self)
    for (index, byte) in (bytes + [0]).enumerated() { copy?[index] = CChar(bitPattern: byte) }
    return copy
  }
}

extension String {
  /// Without these characters.
  fileprivate func replacing(_ unwanted: Unicode.Scalar) -> String {
    var result = String.UnicodeScalarView()
    result.append(contentsOf: unicodeScalars.lazy.filter { $0 != unwanted })
    return String(result)
  }
}
