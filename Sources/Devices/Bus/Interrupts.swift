/// One input of the interrupt controller (a GSI), as a device sees it.
///
/// Callable on any thread.
package protocol InterruptLine: AnyObject, Sendable {
  /// Drives the line; an edge-triggered input interrupts where it rises.
  func setLevel(_ asserted: Bool)
}

/// A function's INTx pin: asserted while the device has an interrupt waiting, unless the command
/// register's interrupt disable bit is set.
///
/// A value without a lock: its function's lock guards it and is held while the line is driven, so
/// that levels reach the line in order.
package struct InterruptPin: Sendable {
  /// Whether the device has an interrupt waiting.
  package var isAsserted = false { didSet { update() } }
  /// The command register's interrupt disable bit.
  package var isDisabled = false { didSet { update() } }

  private var level = false
  private let line: any InterruptLine

  /// A pin that is not asserted.
  package init(line: any InterruptLine) {
    self.line = line
  }

  private mutating func update() {
    let wanted = isAsserted && !isDisabled
    guard wanted != level else { return }
    level = wanted
    line.setLevel(wanted)
  }
}

/// The way from one MSI-X vector to the guest's processors.
///
/// One route belongs to one table entry. Callable on any thread; calls for one route are made
/// with its device's lock held.
package protocol MSIRoute: AnyObject, Sendable {
  /// Binds the route to the message the guest programmed; later triggers send this message.
  func program(address: UInt64, data: UInt32)
  /// Sends the message, once, as programmed. No effect before `program`.
  func trigger()
}

/// Hands out routes for message-signalled interrupts. Callable on any thread.
package protocol MSIRouter: AnyObject, Sendable {
  /// A fresh route, or nil when the host has none left.
  func makeRoute() -> (any MSIRoute)?
  /// Sends one message without a route, which takes longer.
  func send(address: UInt64, data: UInt32)
}
