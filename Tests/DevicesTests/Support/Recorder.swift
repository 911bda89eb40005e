import Devices
import Synchronization
import Testing

/// What happened, in order, from any thread.
final class Recorder<Event: Sendable & Equatable>: Sendable {
  private let log = Mutex<[Event]>([])

  func record(_ event: Event) {
    log.withLock { $0.append(event) }
  }

  var events: [Event] { log.withLock { $0 } }

  /// The events since the last call.
  func take() -> [Event] {
    log.withLock { events in
      defer { events = [] }
      return events
    }
  }
}

enum DeviceAccess: Equatable {
  case read(offset: UInt64, width: Int)
  case write(offset: UInt64, width: Int, value: UInt64)
}

/// Notes each access, and holds the address space to the protocol's promises.
final class RecordingDevice: AddressSpaceDevice {
  let accesses = Recorder<DeviceAccess>()
  private let size: UInt64
  private let answer: UInt64

  init(size: UInt64, answer: UInt64 = 0) {
    self.size = size
    self.answer = answer
  }

  func read(offset: UInt64, width: Int) -> UInt64 {
    check(offset, width)
    accesses.record(.read(offset: offset, width: width))
    return answer
  }

  func write(offset: UInt64, width: Int, value: UInt64) {
    check(offset, width)
    #expect(value & ~UInt64.allOnes(width: width) == 0)
    accesses.record(.write(offset: offset, width: width, value: value))
  }

  private func check(_ offset: UInt64, _ width: Int) {
    #expect([1, 2, 4, 8].contains(width))
    #expect(offset < size && UInt64(width) <= size - offset)
  }
}

/// Notes each level driven.
final class RecordingLine: InterruptLine {
  let levels = Recorder<Bool>()

  func setLevel(_ asserted: Bool) {
    levels.record(asserted)
  }

  /// Rising edges since the last call.
  func takeEdges() -> Int {
    levels.take().count { $0 }
  }
}

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
