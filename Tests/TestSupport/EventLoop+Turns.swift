import Host

extension EventLoop {
  /// Runs turns until `condition` holds; false if it does not within a generous time.
  package func turn(until condition: () -> Bool) -> Bool {
    waitUntil(seconds: 30) {
      if condition() { return true }
      turn(timeoutMilliseconds: 10)
      return condition()
    }
  }

  /// Handles all that is ready, and what comes of it.
  package func settle() {
    for _ in 0..<20 { turn(timeoutMilliseconds: 0) }
  }

  /// Whether one turn of up to 50 ms sleeps through it: nothing is ready.
  package func sleepsThroughATurn() -> Bool {
    let start = milliseconds()
    turn(timeoutMilliseconds: 50)
    return milliseconds() - start >= 49
  }
}
