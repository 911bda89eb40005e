import CKVM
import Glibc

/// Ends the process by a signal that is not taken in time: a loop that is held up, by a file system
/// that does not answer or by work without end, must not keep it.
///
/// A thread of its own sleeps until one of the signals, which all threads block, is pending. It only
/// looks: the loop takes the signal by its `SignalSource`. What a loop does at the end, such as
/// passing on the last bytes, is left out then; the terminal gets its mode back, and the process's
/// own sockets and links are removed.
package final class SignalGuard: Sendable {
  /// How long a signal may be pending. With what follows, the process ends within a second.
  package static let patienceMilliseconds = 700
  private static let stepMilliseconds: Int32 = 50

  /// What the thread works with, which may outlive the guard for a moment.
  private final class Watch: Sendable {
    let pending: FileDescriptor
    let stopping: EventFD
    let patience: Int64
    let whenLate: @Sendable (Int32) -> Void

    init(
      _ pending: consuming FileDescriptor, patienceMilliseconds: Int,
      whenLate: @escaping @Sendable (Int32) -> Void
    ) throws(SystemError) {
      self.pending = pending
      stopping = try EventFD()
      patience = Int64(patienceMilliseconds) &* 1_000_000
      self.whenLate = whenLate
    }

    func run() {
      while goesOn(watching: pending.rawValue, milliseconds: -1) {
        let start = MonotonicClock.now()
        // It is pending no more once the loop has taken it.
        while isPending, MonotonicClock.now() &- start < patience {
          guard goesOn(watching: -1, milliseconds: SignalGuard.stepMilliseconds) else { return }
        }
        if let signal = takeLate(since: start) { return whenLate(signal) }
      }
    }

    /// Sleeps until a descriptor is readable, if it is one, or the time has passed; false once the
    /// guard has ended.
    private func goesOn(watching descriptor: Int32, milliseconds: Int32) -> Bool {
      var descriptors = [
        pollfd(fd: stopping.rawValue, events: Int16(POLLIN), revents: 0),
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      ]
      poll(&descriptors, 2, milliseconds)
      return descriptors[0].revents == 0
    }

    private var isPending: Bool {
      var status = pollfd(fd: pending.rawValue, events: Int16(POLLIN), revents: 0)
      return poll(&status, 1, 0) == 1
    }

    private func takeLate(since start: Int64) -> Int32? {
      guard MonotonicClock.now() &- start >= patience else { return nil }
      var information = signalfd_siginfo()
      let size = MemoryLayout<signalfd_siginfo>.size
      let count = read(pending.rawValue, &information, size)
      return count == size ? Int32(information.ssi_signo) : nil
    }
  }

  private let watch: Watch

  /// Watches for `signals`, which the calling thread blocks, as long as the object lives.
  ///
  /// - Parameter whenLate: what is done about a late signal, the last that the guard does; called
  ///   on its thread.
  package init(
    _ signals: [Int32], patienceMilliseconds: Int = SignalGuard.patienceMilliseconds,
    whenLate: @escaping @Sendable (Int32) -> Void = SignalGuard.endProcess
  ) throws(SystemError) {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    let number = try systemCall("signalfd") {
      signalfd(-1, &set, Int32(SFD_NONBLOCK) | Int32(SFD_CLOEXEC))
    }
    let watch = try Watch(
      FileDescriptor(owning: number), patienceMilliseconds: patienceMilliseconds,
      whenLate: whenLate)
    self.watch = watch
    _ = try Thread(name: "signals") { watch.run() }
  }

  deinit {
    watch.stopping.signal()
  }

  /// Ends the process as the signal would have, without the thread that should have taken it.
  package static let endProcess: @Sendable (Int32) -> Void = { signal in
    TerminalRestorer.giveBack()
    OwnedPath.removeAll()
    Log.warning("the I/O thread does not answer; what it had left to do is not done")
    Log.note("ended by signal \(signal)")
    _exit(128 + signal)
  }
}
