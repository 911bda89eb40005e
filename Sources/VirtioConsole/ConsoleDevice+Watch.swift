import Host
import Virtio

// While the event loop stays awake between turns, queues that run empty are looked at instead of
// asking the guest for a notification, which would cost it an exit from the guest, and us a wake-up.
extension ConsoleDevice: Pollable {
  package var isWatching: Bool { lock.withLock { !watchedPorts.isEmpty } }

  package func look() -> Bool {
    var hasFound = false
    enter { driver throws(QueueFault) in
      var index = 0
      while index < watchedPorts.count {
        let port = watchedPorts[index]
        let due = try port.dueTurns()
        if !due.isEmpty {
          hasFound = true
          try takeWatchedTurns(due, of: port, driver: driver)
        }
        if port.watchedTurns.isEmpty {
          watchedPorts.swapAt(index, watchedPorts.count - 1)
          watchedPorts.removeLast().isWatched = false
        } else {
          index += 1
        }
      }
    } inert: {
    }
    return hasFound
  }

  package func stopPolling() -> Bool {
    var hasFound = false
    enter { driver throws(QueueFault) in
      let ports = watchedPorts
      watchedPorts = []
      for port in ports { port.isWatched = false }
      for port in ports {
        let due = try port.endWatch()
        guard !due.isEmpty else { continue }
        hasFound = true
        try takeWatchedTurns(due, of: port, driver: driver)
      }
    } inert: {
    }
    return hasFound
  }

  private func takeWatchedTurns(
    _ turns: Port.Turns, of port: Port, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    port.watchedTurns.subtract(turns)
    try takeControlTurnIfDue(driver: driver)
    if turns.contains(.transmit) { try takeTurn(.transmit, of: port, driver: driver) }
    if turns.contains(.receive) { try takeTurn(.receive, of: port, driver: driver) }
  }

  /// The port's queue in this direction is empty and asks for no notification.
  func watch(_ turn: Port.Turns, of port: Port) {
    port.watchedTurns.formUnion(turn)
    guard !port.isWatched else { return }
    port.isWatched = true
    watchedPorts.append(port)
  }

  /// The driver is gone, and with it every port's queues.
  func endAllWatches() {
    for port in watchedPorts { port.isWatched = false }
    watchedPorts = []
  }

  /// The port is gone.
  func endWatch(of port: Port) {
    port.watchedTurns = []
    guard port.isWatched else { return }
    port.isWatched = false
    watchedPorts.removeAll { $0 === port }
  }
}
