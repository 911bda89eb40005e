import Host
import Virtio

// Clients that follow each other on a port, where the guest is to notice (`gap`), or writes to one
// that has gone (`drain`); on the I/O thread.
extension ConsoleDevice {
  /// Has the port's handover looked at when something is due, with the lock held; without effect
  /// where none goes on.
  func scheduleHandover(of port: Port) {
    guard !port.handover.isSettled, !port.isHandoverScheduled else { return }
    port.isHandoverScheduled = true
    let delay = max(0, port.handover.deadline &- MonotonicClock.now())
    remote.post(afterMilliseconds: Int((delay &+ 999_999) / 1_000_000)) { [weak self, weak port] in
      if let port { self?.advanceHandover(of: port) }
    }
  }

  /// After a pause, the guest gets its time anew.
  func resumeHandover(of port: Port) {
    port.handover.postpone(at: MonotonicClock.now())
    scheduleHandover(of: port)
  }

  private func advanceHandover(of port: Port) {
    enter { driver throws(QueueFault) in
      port.isHandoverScheduled = false
      guard port.device === self else { return }
      let hasTaken = try port.handover.awaitedMessage.map { (message) throws(QueueFault) in
        try control.hasTaken(message)
      }
      // What the guest has written counts, too, before it is looked at.
      if port.handover.isDraining { try takeTurn(.transmit, of: port, driver: driver) }
      if port.advanceHandover(hasTakenClose: hasTaken ?? false) {
        try port.discardIfHostLeft(using: list, driver: driver)
        try tellGuest(of: port, driver: driver)
        try takeTurns(port, driver: driver)
      }
      scheduleHandover(of: port)
    } inert: {
      // In a pause the guest can neither write nor notice; without a driver nothing goes on.
      port.isHandoverScheduled = false
    }
  }
}
