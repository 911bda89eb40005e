import Testing
import Virtio

@Suite struct DeviceStatusTests {
  /// The legal states on the way to DRIVER_OK.
  static let ladder: [DeviceStatus] = [
    [], [.acknowledge], [.acknowledge, .driver], [.acknowledge, .driver, .featuresOK],
    [.acknowledge, .driver, .featuresOK, .driverOK],
  ]

  @Test("Of all 256 writes to each state, exactly those up the ladder are legal")
  func everyTransition() {
    for (position, state) in Self.ladder.enumerated() {
      for raw in UInt8.min...UInt8.max {
        let written = DeviceStatus(rawValue: raw)
        let plain = written.subtracting([.failed, .needsReset])
        let isLegal =
          Self.ladder[position...].contains(plain)
          && raw & 0b0011_0000 == 0
        #expect((state.steps(toReach: written) != nil) == isLegal, "\(state) to \(raw)")
      }
    }
  }

  @Test func stepsAreInOrder() {
    #expect(
      DeviceStatus().steps(toReach: Self.ladder[4]) == [
        .acknowledge, .driver, .featuresOK, .driverOK,
      ])
    #expect(Self.ladder[2].steps(toReach: Self.ladder[2]) == [])
  }

  @Test func failedMayBeSetAtAnyTimeAndNotCleared() {
    for state in Self.ladder {
      #expect(state.steps(toReach: state.union(.failed)) == [.failed])
      #expect(state.union(.failed).steps(toReach: state) == nil)
    }
  }

  @Test func needsResetIsTheDevicesOwn() {
    let live = Self.ladder[4]
    #expect(live.union(.needsReset).steps(toReach: live) == [])
    #expect(live.steps(toReach: live.union(.needsReset)) == [])
  }
}
