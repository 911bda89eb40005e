import VirtioConsole

/// What devices count over any number of boards, each of which counts from zero.
struct ConsoleStatistics {
  /// The devices of the boards that are gone.
  private(set) var totals: [DeviceStatistics] = []

  /// The totals while a board with these devices is there.
  func totals(with board: [DeviceStatistics]) -> [DeviceStatistics] {
    board.enumerated().map { totals.indices.contains($0) ? $1.after(totals[$0]) : $1 }
  }

  /// A board has gone.
  ///
  /// - Parameters:
  ///   - before: its devices with the guest still there, with the ports' states to be remembered.
  ///   - after: the same devices, with what was counted as the guest went.
  mutating func retire(before: [DeviceStatistics], after: [DeviceStatistics]) {
    totals = zip(before, totals(with: after)).map { before, total in
      var total = total
      total.ports = zip(before.ports, total.ports).map { $1.inState(of: $0) }
      return total
    }
  }

  /// A device is removed.
  mutating func forget(device: Int) {
    if totals.indices.contains(device) { totals.remove(at: device) }
  }

  /// A port is removed; what comes after it with the same number counts from zero.
  ///
  /// - Parameter report: what this life's board counted of it; nil where there is none.
  mutating func forget(port number: UInt32, ofDevice device: Int, _ report: PortStatistics?) {
    while totals.count <= device { totals.append(DeviceStatistics()) }
    let past = totals[device].ports.first { $0.number == Int(number) }
    totals[device].ports.removeAll { $0.number == Int(number) }
    totals[device].removedPortCount &+= 1
    for lost in [report, past].compactMap(\.self) {
      totals[device].bytesLostWithPorts &+= lost.bytesDropped &+ lost.bytesDiscarded
    }
  }
}
