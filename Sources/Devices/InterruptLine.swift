/// One interrupt input of the interrupt controller (a GSI), as a device sees it.
///
/// Callable on any thread.
package protocol InterruptLine: AnyObject, Sendable {
  /// Drives a level-triggered line.
  func setLevel(_ asserted: Bool)
}

extension InterruptLine {
  /// One edge, for edge-triggered lines.
  package func pulse() {
    setLevel(true)
    setLevel(false)
  }
}
