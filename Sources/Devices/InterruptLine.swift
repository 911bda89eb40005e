/// One interrupt input of the interrupt controller (a GSI), as a device sees it.
///
/// Callable on any thread.
package protocol InterruptLine: AnyObject, Sendable {
  /// Drives the line; an edge-triggered one notices where it rises.
  func setLevel(_ asserted: Bool)
}
