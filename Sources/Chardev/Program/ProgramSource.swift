import CKVM
import Glibc
import Host

/// A program as the one peer of a chardev, connected to it by a pair of sockets that are the
/// program's standard input and output.
///
/// It is started with the machine. When it ends, or closes both, the peer is gone; when the guest
/// opens its side the next time, the program is started anew, at most once a second. One that goes on
/// without its streams is ended half a second later, and all are at the machine's end, descendants
/// too: by `SIGTERM` and, another half a second later, `SIGKILL`.
final class ProgramSource: ConnectionSource {
  let name: String
  let role = ""
  let waitsForFirst = false
  /// How often the program has been started.
  private(set) var startCount = 0

  private let command: String
  private let restMilliseconds: Int
  private let graceMilliseconds: Int
  private let log = RateLimitedLog(linesPerSecond: 1)
  private var loop: EventLoop?
  private var deliver: ((SocketPeer) -> Void)?
  private var process: ChildProcess?
  /// The program is connected, or about to be.
  private var hasPeer = false
  /// The guest has opened its side while no program was there.
  private var isWanted = false
  /// While it runs, the last start is too recent for another.
  private var rest: EventLoop.Timer?

  /// - Parameters:
  ///   - restMilliseconds: how long there is no second start after one.
  ///   - graceMilliseconds: how long the program may take to end by itself, and when asked to.
  init(
    command: String, restMilliseconds: Int = 1000, graceMilliseconds: Int = 500
  ) throws(ChardevError) {
    guard !command.isEmpty, !command.utf8.contains(0) else {
      throw ChardevError("the command is empty or has a NUL byte in it; give a shell command")
    }
    SignalSource.ignoreWriteFailures()
    self.command = command
    self.restMilliseconds = restMilliseconds
    self.graceMilliseconds = graceMilliseconds
    name = "exec:\(command)"
  }

  /// Whether there is a process, ending or not.
  var isRunning: Bool { process != nil }

  func count(in counters: inout SocketCounters) {}

  func start(on loop: EventLoop, deliver: @escaping (SocketPeer) -> Void) throws(SystemError) {
    self.loop = loop
    self.deliver = deliver
    try launch(on: loop)
  }

  func lostPeer() {
    hasPeer = false
    // One that has done its work may close its streams just before it ends, with things to finish.
    let graceMilliseconds = graceMilliseconds
    loop?.after(milliseconds: graceMilliseconds) { [weak process] in
      process?.end(graceMilliseconds: graceMilliseconds)
    }
    launchIfWanted()
  }

  func guestWillOpen() {
    guard !hasPeer else { return }
    isWanted = true
    loop?.post { [weak self] in self?.launchIfWanted() }
  }

  func stop() {
    rest?.cancel()
    rest = nil
    process?.end(graceMilliseconds: graceMilliseconds)
    process = nil
    deliver = nil
    loop = nil
  }

  private func launchIfWanted() {
    guard let loop, isWanted, !hasPeer, process == nil, rest == nil else { return }
    do throws(SystemError) {
      try launch(on: loop)
    } catch {
      log.warning("program '\(command)' cannot be started: \(error)")
    }
  }

  private func launch(on loop: EventLoop) throws(SystemError) {
    isWanted = false
    startCount += 1
    rest = loop.after(milliseconds: restMilliseconds) { [weak self] in
      self?.rest = nil
      self?.launchIfWanted()
    }
    // The program's end waits: it may be unprepared for one that does not.
    let (own, its) = try FileDescriptor.socketPair()
    let peer = SocketPeer(FileDescriptor(owning: own))
    defer { close(its) }
    process = try ChildProcess(command: command, stream: its, on: loop) { [weak self] in
      self?.hasEnded($0)
    }
    hasPeer = true
    loop.post { [weak self] in self?.deliver?(peer) }
  }

  private func hasEnded(_ end: ChildProcess.End) {
    let wasEnding = process?.isEnding ?? true
    process = nil
    guard loop != nil else { return }
    switch end {
    case .exited(0), .unknown: break
    case .exited(let status): log.warning("program '\(command)' ended with status \(status)")
    case .killed(let signal):
      if !wasEnding { log.warning("program '\(command)' was ended by signal \(signal)") }
    }
    launchIfWanted()
  }
}
