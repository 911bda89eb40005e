import Host
import Synchronization

/// The way from one MSI-X vector to the guest's processors: an eventfd the kernel turns into the
/// vector's message. Gives its GSI back when its life ends.
///
/// Callable on any thread.
package final class IRQFDRoute: Sendable {
  private enum Connection {
    case none
    case live
    /// The guest's last message was refused: nothing must be sent in its place.
    case suspended
  }

  private let router: InterruptRouter
  private let gsi: UInt32
  private let eventFD: EventFD
  private let connection = Mutex(Connection.none)

  init(router: InterruptRouter, gsi: UInt32, eventFD: EventFD) {
    self.router = router
    self.gsi = gsi
    self.eventFD = eventFD
  }

  deinit {
    let connected = connection.withLock { $0 != .none }
    router.release(gsi: gsi, connected: connected ? eventFD : nil)
  }

  /// Binds the route to the message the guest programmed; later triggers send this one.
  ///
  /// Costs a system call only if the message differs from the last one.
  package func program(address: UInt64, data: UInt32) {
    connection.withLock { connection in
      let accepted = router.setMessage(gsi: gsi, address: address, data: data)
      switch (connection, accepted) {
      case (.none, true): connection = router.connect(eventFD, gsi: gsi) ? .live : .none
      case (.suspended, true): connection = .live
      case (.live, false): connection = .suspended
      case (.live, true), (.none, false), (.suspended, false): break
      }
    }
  }

  /// Sends the message, once, as programmed. No effect before `program`.
  package func trigger() {
    guard connection.withLock({ $0 == .live }) else { return }
    eventFD.signal()
  }
}
