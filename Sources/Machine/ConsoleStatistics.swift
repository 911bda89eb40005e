import Virtio
import VirtioConsole

/// What went through a port over all the guest's lives, and who has it open now.
package struct PortTotal: Equatable, Sendable {
  /// The port as it is, or was when the last guest ended.
  package let report: PortReport
  /// What went through it since it is there.
  package let counters: PortCounters
  /// What happened on its queues since then.
  package let receiveQueue: QueueCounters
  package let transmitQueue: QueueCounters

  /// The port of a board, and what earlier boards counted of it.
  init(_ report: PortReport, after past: PortTotal?) {
    self.report = report
    counters = report.counters + (past?.carriedOver ?? PortCounters())
    receiveQueue = report.receiveQueue + (past?.receiveQueue ?? QueueCounters())
    transmitQueue = report.transmitQueue + (past?.transmitQueue ?? QueueCounters())
  }

  /// The same, in another state.
  init(_ report: PortReport, countersOf total: PortTotal) {
    self.report = report
    counters = total.counters
    receiveQueue = total.receiveQueue
    transmitQueue = total.transmitQueue
  }

  /// What counts on: a client that stays is counted by the next board again.
  private var carriedOver: PortCounters {
    var counters = counters
    if report.hostOpen { counters.connections &-= 1 }
    return counters
  }
}

/// The ports' counters over any number of boards, each of which counts from zero.
struct ConsoleStatistics {
  /// The ports of the boards that are gone, device by device.
  private(set) var totals: [[PortTotal]] = []

  /// The devices of the boards that are gone.
  private(set) var devices: [DeviceReport] = []

  /// The devices' totals while a board with these is there.
  func devices(with board: [DeviceReport]) -> [DeviceReport] {
    board.enumerated().map { devices.indices.contains($0) ? devices[$0] + $1 : $1 }
  }

  /// The totals while a board with these ports is there.
  func totals(with board: [[PortReport]]) -> [[PortTotal]] {
    board.enumerated().map { device, ports in
      let past = totals.indices.contains(device) ? totals[device] : []
      let byNumber = Dictionary<UInt32, PortTotal>(
        past.map { ($0.report.number, $0) }, uniquingKeysWith: { first, _ in first })
      return ports.map { PortTotal($0, after: byNumber[$0.number]) }
    }
  }

  /// A board has gone.
  ///
  /// - Parameters:
  ///   - before: its ports with the guest still there, in the states to be remembered.
  ///   - after: the same ports, with what was counted as it went.
  ///   - devices: what happened on its devices.
  mutating func retire(
    before: [[PortReport]], after: [[PortReport]], devices board: [DeviceReport]
  ) {
    devices = devices(with: board)
    totals = zip(before, totals(with: after)).map { reports, totals in
      zip(reports, totals).map { PortTotal($0, countersOf: $1) }
    }
  }

  /// A device is removed.
  mutating func forget(device: Int) {
    if totals.indices.contains(device) { totals.remove(at: device) }
    if devices.indices.contains(device) { devices.remove(at: device) }
  }

  /// A port is removed; what comes after it with the same number counts from zero.
  ///
  /// - Parameter report: what this life's board counted of it; nil where there is none.
  mutating func forget(port number: UInt32, ofDevice device: Int, _ report: PortReport?) {
    var counters = report?.counters ?? PortCounters()
    if totals.indices.contains(device) {
      let past = totals[device].first { $0.report.number == number }
      totals[device].removeAll { $0.report.number == number }
      counters = counters + (past?.counters ?? PortCounters())
    }
    while devices.count <= device { devices.append(DeviceReport()) }
    devices[device].removedPorts &+= 1
    devices[device].bytesLostWithPorts &+= counters.bytesDropped &+ counters.bytesDiscarded
  }
}

extension PortCounters {
  /// Both together.
  static func + (first: PortCounters, second: PortCounters) -> PortCounters {
    var sum = first
    sum.bytesToHost &+= second.bytesToHost
    sum.bytesToGuest &+= second.bytesToGuest
    sum.bytesDropped &+= second.bytesDropped
    sum.bytesDiscarded &+= second.bytesDiscarded
    sum.throttles &+= second.throttles
    sum.connections &+= second.connections
    return sum
  }
}

extension QueueCounters {
  /// Both together.
  static func + (first: QueueCounters, second: QueueCounters) -> QueueCounters {
    var sum = first
    sum.notifications &+= second.notifications
    sum.interrupts &+= second.interrupts
    sum.buffers &+= second.buffers
    sum.bytes &+= second.bytes
    sum.faults &+= second.faults
    return sum
  }
}
