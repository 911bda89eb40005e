import Glibc
import Host

/// A process, with nothing to read unless given, whose output is kept. Killed with the last
/// reference, if it still runs then.
package final class RunningProgram {
  /// How a process ended.
  package enum Ending: Equatable, CustomStringConvertible {
    case exited(Int32)
    case killed(Int32)

    package var description: String {
      switch self {
      case .exited(let status): "exit status \(status)"
      case .killed(let signal): "killed by signal \(signal)"
      }
    }
  }

  /// What a process that has ended leaves.
  package struct Result {
    /// The exit status, or nil where a signal ended the program or it did not end.
    package let status: Int32?
    package let output: String
    package let errorOutput: String
    /// What it printed on either stream.
    package var allOutput: String { output + errorOutput }
  }

  package let pid: pid_t
  private let results: TemporaryDirectory
  /// Where it started, which is there as long as it runs.
  private let directory: TemporaryDirectory?
  private var ending: Ending?

  /// Starts a program, which is looked for as a shell does.
  ///
  /// - Parameters:
  ///   - directory: where it starts; here unless given.
  ///   - environment: all its variables; this process's unless given.
  ///   - terminal: the path of what becomes its controlling terminal, in a session of its own, and
  ///     its three streams.
  ///   - input: an open descriptor for its standard input.
  ///   - standardError: one for its standard error, in place of what is kept.
  package init(
    _ words: [[UInt8]], in directory: TemporaryDirectory? = nil, environment: [String]? = nil,
    terminal: String? = nil, input: Int32? = nil, standardError: Int32? = nil
  ) throws {
    results = try TemporaryDirectory()
    self.directory = directory
    // env(1) changes the directory, which not every C library's spawn does, and finds the program.
    let leading = ["/usr/bin/env"] + (directory.map { ["-C", $0.path] } ?? []) + ["--"]
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let terminal {
      for stream: Int32 in 0...2 {
        posix_spawn_file_actions_addopen(&actions, stream, terminal, O_RDWR, 0)
      }
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
      for (stream, file) in [(STDOUT_FILENO, "output"), (STDERR_FILENO, "error")] {
        posix_spawn_file_actions_addopen(
          &actions, stream, results[file], O_CREAT | O_WRONLY | O_APPEND, 0o600)
      }
    }
    for case (let given?, let stream) in [(input, STDIN_FILENO), (standardError, STDERR_FILENO)] {
      posix_spawn_file_actions_adddup2(&actions, given, stream)
    }
    pid = try Self.spawn(
      leading.map { Array($0.utf8) } + words, environment, &actions,
      makesSession: terminal != nil)
  }

  package convenience init(_ words: [String], terminal: String? = nil) throws {
    try self.init(words.map { Array($0.utf8) }, terminal: terminal)
  }

  /// Starts the executable that was built with the tests, with only the variables given.
  ///
  /// - Parameter launcher: words before the executable's, of a program that runs it.
  package convenience init(
    swiftvm words: [[UInt8]], in directory: TemporaryDirectory, environment: [String] = [],
    launcher: [String] = [], input: Int32? = nil, standardError: Int32? = nil
  ) throws {
    let leading = launcher + [try Checkout.executable()]
    try self.init(
      leading.map { Array($0.utf8) } + words, in: directory, environment: environment,
      input: input, standardError: standardError)
  }

  package convenience init(
    swiftvm words: [String], in directory: TemporaryDirectory, environment: [String] = [],
    launcher: [String] = [], input: Int32? = nil, standardError: Int32? = nil
  ) throws {
    try self.init(
      swiftvm: words.map { Array($0.utf8) }, in: directory, environment: environment,
      launcher: launcher, input: input, standardError: standardError)
  }

  deinit {
    guard ending == nil else { return }
    kill(pid, SIGKILL)
    while waitpid(pid, nil, 0) < 0, errno == EINTR {}
  }

  /// What it has written to standard output so far.
  package var output: String { results.text(of: "output") }
  /// What it has written to standard error so far.
  package var errorOutput: String { results.text(of: "error") }

  /// Waits until standard output has this line.
  package func waitForLine(_ line: String, seconds: Double = 20) -> Bool {
    waitUntil(seconds: seconds) {
      output.split(whereSeparator: { $0 == "\n" || $0 == "\r\n" }).contains(Substring(line))
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

  package var isRunning: Bool { waitForEnd(seconds: 0) == nil }

  /// Waits for the end, and says what there is then.
  package func result(seconds: Double = 30) -> Result {
    var status: Int32?
    if case .exited(let code) = waitForEnd(seconds: seconds) { status = code }
    return Result(status: status, output: output, errorOutput: errorOutput)
  }

  package func signal(_ number: Int32) { if isRunning { kill(pid, number) } }

  /// Sends a signal, and returns how the process ended and how many seconds that took.
  package func end(by number: Int32) -> (ending: Ending?, seconds: Double) {
    let start = monotonicSeconds()
    signal(number)
    let ending = waitForEnd()
    return (ending, monotonicSeconds() - start)
  }

  private static func spawn(
    _ words: [[UInt8]], _ environment: [String]?, _ actions: inout posix_spawn_file_actions_t,
    makesSession: Bool
  ) throws -> pid_t {
    // This thread may have blocked or ignored what the program must get.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let newSession: Int16 = 0x80  // POSIX_SPAWN_SETSID, a GNU name
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF) | (makesSession ? newSession : 0)
    )

    let arguments = words.map(cString) + [nil]
    let variables = (environment ?? []).map { cString(Array($0.utf8)) } + [nil]
    defer { for string in arguments + variables { free(string) } }
    var pid: pid_t = 0
    let result =
      environment == nil
      ? posix_spawn(&pid, "/usr/bin/env", &actions, &attributes, arguments, environ)
      : posix_spawn(&pid, "/usr/bin/env", &actions, &attributes, arguments, variables)
    guard result == 0 else { throw SystemError("posix_spawn", errno: result) }
    return pid
  }

  private static func cString(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar>? {
    let copy = malloc(bytes.count + 1)?.assumingMemoryBound(to: CChar.self)
    for (index, byte) in (bytes + [0]).enumerated() { copy?[index] = CChar(bitPattern: byte) }
    return copy
  }
}
