import CKVM
import Glibc
import Host

/// A shell command that runs as a child process, in a process group of its own.
///
/// Watched by a pidfd (pidfd_open(2)) on the event loop, which reaps it; it lives for as long as the
/// process does. Nothing but standard input, output and error is inherited, and no signal is blocked
/// or ignored.
final class ChildProcess {
  /// How a process has ended.
  enum End: Equatable {
    case exited(Int32)
    case killed(signal: Int32)
    /// Another part of the process has been told.
    case unknown
  }

  private let number: pid_t
  private let descriptor: FileDescriptor
  private let loop: EventLoop
  private let whenEnded: (End) -> Void
  private var token: EventLoop.Token?
  private var grace: EventLoop.Timer?
  /// The process has been asked to end.
  private(set) var isEnding = false

  /// Starts `/bin/sh -c command`.
  ///
  /// - Parameters:
  ///   - stream: its standard input and output; stays the caller's.
  ///   - whenEnded: called from the event loop, once it has been reaped.
  init(
    command: String, stream: Int32, on loop: EventLoop, whenEnded: @escaping (End) -> Void
  ) throws(SystemError) {
    number = try Self.spawn(command, stream: stream)
    let result = clinux_pidfd_open(number)
    guard result >= 0 else {
      Self.abandon(number)
      throw SystemError("pidfd_open", errno: -result)
    }
    descriptor = FileDescriptor(owning: result)
    self.loop = loop
    self.whenEnded = whenEnded
    do throws(SystemError) {
      // Keeps this object until the process has been reaped.
      token = try loop.register(result, interest: .readable) { _ in self.reap() }
    } catch {
      Self.abandon(number)
      throw error
    }
  }

  /// Asks the process and its descendants to end (`SIGTERM`); those that have not after so many
  /// milliseconds, or when the process itself has, are ended (`SIGKILL`).
  func end(graceMilliseconds: Int) {
    guard token != nil, !isEnding else { return }
    isEnding = true
    loop.begin()
    signalGroup(SIGTERM)
    // A stopped process takes no signal before it goes on.
    signalGroup(SIGCONT)
    grace = loop.after(milliseconds: graceMilliseconds) { self.signalGroup(SIGKILL) }
  }

  /// The group's number cannot be another's, since the process has not been reaped.
  private func signalGroup(_ signal: Int32) {
    if token != nil { kill(-number, signal) }
  }

  private func reap() {
    var status: Int32 = 0
    if isEnding { signalGroup(SIGKILL) }
    let result = waitpid(number, &status, WNOHANG)
    // It has ended, or the pidfd would not be readable; else the next turn tells again.
    guard result == number || (result == -1 && errno != EINTR) else { return }
    if let token { loop.remove(token) }
    token = nil
    grace?.cancel()
    grace = nil
    if isEnding { loop.finish() }
    whenEnded(result == number ? Self.end(status) : .unknown)
  }

  private static func end(_ status: Int32) -> End {
    let signal = status & 0x7f
    return signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal)
  }

  private static func abandon(_ number: pid_t) {
    kill(-number, SIGKILL)
    waitpid(number, nil, 0)
  }

  private static func spawn(_ command: String, stream: Int32) throws(SystemError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_adddup2(&actions, stream, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, stream, STDOUT_FILENO)
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    posix_spawnattr_setflags(&attributes, Int16(flags))
    let words: [String] = ["sh", "-c", command]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var number: pid_t = 0
    let reason = posix_spawn(
      &number, "/bin/sh", &actions, &attributes, &arguments, clinux_environment())
    guard reason == 0 else { throw SystemError("posix_spawn '/bin/sh'", errno: reason) }
    return number
  }
}
