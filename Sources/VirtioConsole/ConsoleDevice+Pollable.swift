import Host
import Virtio

// While the event loop stays awake between turns, queues that run empty are looked at instead of
// asking the guest for a notification, which would cost it an exit from the guest, and us a wake-up.
extension ConsoleDevice: Pollable {
  package var isWatching: Bool { lock.withLock { !schedule.polled.isEmpty } }

  package func look() -> Bool {
    var hasFound = false
    enter { pass throws(QueueFault) in
      for lane in schedule.polled where try lane.hasArrivals {
        hasFound = true
        try serviceControlIfDue(pass)
        // A lane that runs empty again keeps its place, so that the list need not be changed.
        var pass = pass
        pass.hasPolled = true
        try service(lane, pass)
      }
    }
    return hasFound
  }

  package func stopPolling() -> Bool {
    var hasFound = false
    enter { pass throws(QueueFault) in
      for lane in schedule.endPolling() where try lane.stopPolling() {
        hasFound = true
        try serviceControlIfDue(pass)
        try service(lane, pass)
      }
    }
    return hasFound
  }
}
