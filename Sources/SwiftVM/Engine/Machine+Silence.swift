import Host

// What is looked for when the guest has printed nothing for a while: processors that have all halted
// for good, and the end of a panic's report. A guest that says nothing is looked at once, and costs no
// wake-up from then on; one whose end is waited for (`endsOnReset`), again and again, ever more rarely.
extension Machine {
  /// The state of that.
  struct Silence {
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
    /// A kernel that goes on printing after its panic has so long.
    fileprivate static let lastWordsMilliseconds = 10_000

    init() {}
  }

  /// The guest gives a sign of life; on the loop's thread.
  func guestSpoke() {
    guard !isEnding else { return }
    silence.isBroken = true
    silence.rest = Silence.firstRest
    guard silence.timer?.isPending != true || silence.isResting else { return }
    look(in: Silence.milliseconds)
  }

  /// The guest's kernel has panicked, and has more to say before it ends or hangs: the machine ends
  /// with the guest, when that is silent, or after some time.
  func awaitLastWords() {
    guard !awaitsLastWords else { return }
    awaitsLastWords = true
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
    if awaitsLastWords { return finish(.panicked, lingering: true) }
    // One that is paused gives a sign when it goes on.
    guard !isPaused, let board else { return }
    if board.isHaltedForGood() { return halted() }
    // The look brought back code that was given back at the start.
    try? TextPages.release()
    guard endsOnReset else { return }
    look(in: silence.rest)
    silence.rest = min(2 * silence.rest, Silence.longestRest)
  }

  private func halted() {
    if endsOnReset { return finish(.halted, lingering: true) }
    Log.warning(
      "every CPU of the guest has halted with interrupts off, and nothing can wake them; reset or end"
        + " the machine (with --no-reboot it ends by itself, with status 8)")
  }
}
