import Devices

enum RouterEvent: Equatable {
  case made(Int)
  case exhausted
  case programmed(Int, address: UInt64, data: UInt32)
  case triggered(Int)
  case sent(address: UInt64, data: UInt32)
}

/// Hands out numbered routes while `limit` lasts, and notes all that is done with them.
final class RecordingRouter: MSIRouter {
  let log = Recorder<RouterEvent>()
  private let limit: Int
  private let count = Recorder<Int>()

  init(limit: Int = .max) {
    self.limit = limit
  }

  func makeRoute() -> (any MSIRoute)? {
    let number = count.events.count
    guard number < limit else {
      log.record(.exhausted)
      return nil
    }
    count.record(number)
    log.record(.made(number))
    return Route(number: number, log: log)
  }

  func send(address: UInt64, data: UInt32) {
    log.record(.sent(address: address, data: data))
  }

  private final class Route: MSIRoute {
    let number: Int
    let log: Recorder<RouterEvent>

    init(number: Int, log: Recorder<RouterEvent>) {
      self.number = number
      self.log = log
    }

    func program(address: UInt64, data: UInt32) {
      log.record(.programmed(number, address: address, data: data))
    }

    func trigger() {
      log.record(.triggered(number))
    }
  }
}
