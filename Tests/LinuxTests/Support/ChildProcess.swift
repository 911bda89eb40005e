import Glibc

/// A process that does not outlive its owner.
final class ChildProcess {
  /// How it ended.
  enum End: Equatable, CustomStringConvertible {
    case exit(Int32)
    case signal(Int32)

    var description: String {
      switch self {
      case .exit(let status): "exit status \(status)"
      case .signal(let number): "killed by signal \(number)"
      }
    }
  }

  /// What the process gets as standard input, output and error.
  enum Streams {
    /// Nothing to read; the others to these files.
    case files(output: String, error: String)
    /// A terminal, which becomes the controlling one of a session of its own.
    case terminal(String)
  }

  let pid: pid_t
  private(set) var end: End?
  /// Ends with the process: the other end of the pipe is open there only.
  private let lifeline: Int32

  init(_ words: [String], streams: Streams) throws {
    var pipeEnds: [Int32] = [-1, -1]
    guard pipe(&pipeEnds) == 0 else { throw Failure(call: "pipe") }
    defer { close(pipeEnds[1]) }
    for end in pipeEnds { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    lifeline = pipeEnds[0]
    do { pid = try Self.spawn(words, streams, lifeline: pipeEnds[1]) } catch {
      close(pipeEnds[0])
      throw error
    }
  }

  deinit {
    if end == nil {
      signal(SIGKILL)
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }
    close(lifeline)
  }

  func signal(_ number: Int32) {
    if end == nil { kill(pid, number) }
  }

  var isRunning: Bool {
    var entry = pollfd(fd: lifeline, events: Int16(POLLIN), revents: 0)
    return end == nil && poll(&entry, 1, 0) == 0
  }

  /// Waits for its end.
  func wait(seconds: Double) throws -> End {
    if let end { return end }
    try Deadline(seconds: seconds).wait(for: lifeline, POLLIN, "the end of process \(pid)")
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 {
      guard errno == EINTR else { throw Failure(call: "waitpid") }
    }
    let signal = status & 0x7f
    let end = signal == 0 ? End.exit((status >> 8) & 0xff) : .signal(signal)
    self.end = end
    return end
  }

  private static func spawn(_ words: [String], _ streams: Streams, lifeline: Int32) throws -> pid_t
  {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }

    switch streams {
    case .files(let output, let error):
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
      posix_spawn_file_actions_addopen(&actions, 1, output, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
      posix_spawn_file_actions_addopen(&actions, 2, error, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
    case .terminal(let path):
      let newSession: Int16 = 0x80  // POSIX_SPAWN_SETSID, a GNU name
      posix_spawnattr_setflags(&attributes, newSession)
      for number: Int32 in 0...2 {
        posix_spawn_file_actions_addopen(&actions, number, path, O_RDWR, 0)
      }
    }
    // Far from the numbers the descriptors here may have; without close-on-exec.
    posix_spawn_file_actions_adddup2(&actions, lifeline, 200)

    let arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let error = posix_spawnp(&pid, words[0], &actions, &attributes, arguments, environ)
    guard error == 0 else {
      throw Failure("posix_spawn \(words[0]): \(String(cString: strerror(error)))")
    }
    return pid
  }
}
