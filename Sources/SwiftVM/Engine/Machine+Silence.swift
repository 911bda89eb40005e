import Host

// A guest that has printed nothing for a while is looked at: all its processors may have halted for good,
// or the report of its panic may be complete. One look is enough, and then costs no wake-up; where the
// guest's end is waited for (`endsOnReset`), there are more, ever more rarely.
extension Machine {
  /// Since when the guest has been silent.
  struct Silence {
    /// The panic device has told of a panic that is to end the machine once the kernel has said all.
    fileprivate(set) var awaitsLastWords = false
    /// The next look.
    fileprivate var timer: EventLoop.Timer?
    /// The guest has printed something, or done something else that is seen, since the timer was set.
    fileprivate var isBroken = false
    /// The timer is set for a rare look.
    fileprivate var isResting = false
    /// How long until the look after the next one.
    fileprivate var rest = Silence.firstRest

    /// So long without a sign of the guest is silence, or twice as long at most.
    fileprivate static let milliseconds = 500
    fileprivate static let firstRest = 1000
    fileprivate static let longestRest = 64_000
    /// How long a kernel may go on printing after its panic.
    fileprivate static let lastWordsMilliseconds = 10_000

    init() {}
  }

  /// The guest gives a sign of life.
  func guestSpoke() {
    guard !isEnding else { return }
    silence.isBroken = true
    silence.rest = Silence.firstRest
    guard silence.timer?.isPending != true || silence.isResting else { return }
    look(in: Silence.milliseconds)
  }

  /// The guest's kernel has panicked, and has more to say before it ends or hangs: the machine ends
  /// with the guest, when the guest is silent, or after some time.
  func awaitLastWords() {
    guard !silence.awaitsLastWords else { return }
    silence.awaitsLastWords = true
    loop.after(milliseconds: Silence.lastWordsMilliseconds) { [weak self] in
      self?.finish(.panicked, lingering: true)
    }
  }

  private func look(in milliseconds: Int) {
    silence.timer?.cancel()
    silence.isResting = milliseconds != Silence.milliseconds
    silence.timer = loop.after(milliseconds: milliseconds) { [weak self] in self?.look() }
  }

  private func look() {
    guard !isEnding else { return }
    guard !silence.isBroken else {
      silence.isBroken = false
      return look(in: Silence.milliseconds)
    }
    if silence.awaitsLastWords { return finish(.panicked, lingering: true) }
    // A paused guest gives a sign when it goes on.
    guard !isPaused, let board else { return }
    if board.isHaltedForGood {
      if endsOnReset { return finish(.halted, lingering: true) }
      return Log.warning(
        "every CPU of the guest has halted with interrupts off, and nothing can wake them; reset or"
          + " end the machine (with --no-reboot it ends by itself, with status 8)")
    }
    // The look brought back code that was given back at the start.
    try? TextPages.release()
    guard endsOnReset else { return }
    look(in: silence.rest)
    silence.rest = min(2 * silence.rest, Silence.longestRest)
  }
}
