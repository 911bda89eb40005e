import Virtio

// A port's empty queues while its device watches them.
extension Port {
  /// What comes after a turn.
  enum TurnEnd {
    /// An event begins the next one.
    case rest
    /// Another turn is due.
    case more
    /// The queue is empty and asks for no notification: it is to be watched.
    case watch
  }

  /// The watched directions in which the guest has done something.
  func dueTurns() throws(QueueFault) -> Turns {
    var due: Turns = []
    if watchedTurns.contains(.transmit), try transmitQueue?.hasAvailable == true {
      due.insert(.transmit)
    }
    if watchedTurns.contains(.receive), try receiveQueue?.hasAvailable == true {
      due.insert(.receive)
    }
    return due
  }

  /// Asks for notifications instead; returns the directions in which something has come meanwhile.
  func endWatch() throws(QueueFault) -> Turns {
    var due: Turns = []
    if watchedTurns.contains(.transmit), try transmitQueue?.enableNotifications() == true {
      due.insert(.transmit)
    }
    if watchedTurns.contains(.receive) {
      chardev.setInterest(.readable, false)
      if try receiveQueue?.enableNotifications() == true { due.insert(.receive) }
    }
    watchedTurns = []
    return due
  }
}
