extension EventLoop {
  /// Something has begun that is to come to its end although the loop's owner may want to leave
  /// before; `finish` is called once for each.
  package func begin() { unfinishedCount += 1 }

  /// It has come to its end.
  package func finish() { unfinishedCount -= 1 }

  /// After `run`: runs turns until everything that has begun is finished, or the time is up.
  package func drain(limitMilliseconds limit: Int) {
    let deadline = MonotonicClock.now() &+ Int64(limit) &* 1_000_000
    while unfinishedCount > 0 {
      let left = deadline &- MonotonicClock.now()
      guard left > 0 else { return }
      turn(timeoutMilliseconds: Int(left / 1_000_000) + 1)
    }
  }
}
