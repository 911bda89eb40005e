import VirtioSerial

/// What went through a port over all the guest's lives, and who has it open now.
package struct PortTotal: Equatable, Sendable {
  /// The port as it is, or was when the last guest ended.
  package let report: PortReport
  /// What went through it since it is there.
  package let counters: PortCounters
}

/// The ports' counters over any number of boards, each of which counts from zero.
struct ConsoleStatistics {
  /// The ports of the boards that are gone, device by device.
  private(set) var totals: [[PortTotal]] = []

  /// The totals while a board with these ports is there.
  func totals(with board: [[PortReport]]) -> [[PortTotal]] {
    board.enumerated().map { device, ports in
      let past = totals.indices.contains(device) ? totals[device] : []
      let counters = Dictionary(
        past.map { ($0.report.number, Self.carriedOver($0)) },
        uniquingKeysWith: { first, _ in first })
      return ports.map { port in
        PortTotal(
          report: port, counters: port.counters + (counters[port.number] ?? PortCounters()))
      }
    }
  }

  /// What counts on: a client that stays is counted by the next board again.
  private static func carriedOver(_ total: PortTotal) -> PortCounters {
    var counters = total.counters
    if total.report.hostOpen { counters.connections &-= 1 }
    return counters
  }

  /// A board has gone.
  ///
  /// - Parameters:
  ///   - before: its ports with the guest still there, in the states to be remembered.
  ///   - after: the same ports, with what was counted as it went.
  mutating func retire(before: [[PortReport]], after: [[PortReport]]) {
    totals = zip(before, totals(with: after)).map { reports, totals in
      zip(reports, totals).map { PortTotal(report: $0, counters: $1.counters) }
    }
  }

  /// A port is removed; what comes after it with the same number counts from zero.
  mutating func forget(port number: UInt32, ofDevice device: Int) {
    guard totals.indices.contains(device) else { return }
    totals[device].removeAll { $0.report.number == number }
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
