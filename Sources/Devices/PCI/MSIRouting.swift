/// The way from an MSI-X vector to the guest's processors, as the MSI-X table sees it.
///
/// One route belongs to one table entry. Callable on any thread; calls for one route are made
/// under its device's lock.
package protocol MSIRoute: AnyObject, Sendable {
  /// Binds the route to the message the guest programmed; later triggers send this message.
  func program(address: UInt64, data: UInt32)
  /// Sends the message, once, as programmed. No effect before `program`.
  func trigger()
}

/// Hands out routes.
package protocol MSIRouter: AnyObject, Sendable {
  /// A fresh route, or nil when the host has none left.
  func makeRoute() -> (any MSIRoute)?
  /// Sends one message without a route, which takes longer.
  func send(address: UInt64, data: UInt32)
}
