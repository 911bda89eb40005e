import SwiftVM
import Testing

@testable import swiftvm_cli

@Suite
struct StatisticsTableTests {
  private func port(
    _ number: Int, _ name: String?, _ change: (inout VirtioConsolePortReport) -> Void = { _ in }
  ) -> VirtioConsolePortReport {
    var report = VirtioConsolePortReport(number: number, name: name)
    change(&report)
    return report
  }

  @Test func hasOneLineForEachPort() {
    let reports = [
      VirtioConsoleDeviceReport(
        label: "vs0",
        ports: [
          port(0, nil) {
            ($0.isConsole, $0.isOpenInGuest, $0.bytesToHost, $0.bytesDropped) = (true, true, 5, 77)
          },
          port(12, "org.example.0") {
            ($0.isOpenOnHost, $0.bytesToGuest, $0.connectionCount) = (true, 123_456_789, 3)
          },
        ]),
      VirtioConsoleDeviceReport(label: "virtio-serial1", ports: []),
      VirtioConsoleDeviceReport(
        label: "virtio-serial2",
        ports: [
          port(1, "a\nb") {
            ($0.isOpenInGuest, $0.isOpenOnHost, $0.isThrottled) = (true, true, true)
            ($0.bytesDiscarded, $0.throttleCount) = (9, 1)
          }
        ]),
    ]
    #expect(
      StatisticsTable.lines(reports) == [
        "stats: device          port  kind     name           guest   host    to host   to guest"
          + "  dropped  discarded  waits  clients",
        "stats: vs0                0  console  -              open    closed        5          0"
          + "       77          0      0        0",
        "stats: vs0               12  channel  org.example.0  closed  open          0  123456789"
          + "        0          0      0        3",
        "stats: virtio-serial2     1  channel  a\\nb           open    behind        0          0"
          + "        0          9      1        0",
      ])
  }

  @Test func hasOneLineForEachQueueInUse() {
    let busy = port(3, "a") {
      ($0.transmitQueue.bufferCount, $0.transmitQueue.byteCount) = (12, 4096)
      ($0.transmitQueue.notificationCount, $0.transmitQueue.interruptCount) = (7, 5)
      $0.transmitQueue.faultCount = 1
    }
    let reports = [VirtioConsoleDeviceReport(label: "vs0", ports: [port(1, "idle"), busy])]
    #expect(
      StatisticsTable.lines(reports).suffix(2) == [
        "queues: device  port  queue     buffers  bytes  notifications  interrupts  faults",
        "queues: vs0        3  transmit       12   4096              7           5       1",
      ])
  }

  @Test func hasOneLineForEachDeviceThatMetWithSomething() {
    var met = VirtioConsoleDeviceReport(label: "vs1", ports: [])
    met.ignoredMessageCount = 3
    (met.bytesToUnknownPorts, met.removedPortCount, met.bytesLostWithPorts) = (10, 2, 7)
    met.controlTransmitQueue.bufferCount = 5
    #expect(
      StatisticsTable.lines([VirtioConsoleDeviceReport(label: "vs0", ports: []), met]) == [
        "queues: device     port  queue     buffers  bytes  notifications  interrupts  faults",
        "queues: vs1     control  transmit        5      0              0           0       0",
        "devices: device  faults  messages ignored  bytes to no port  ports removed"
          + "  bytes lost with them",
        "devices: vs1          0                 3                10              2"
          + "                     7",
      ])
  }

  @Test func hasNoTitlesWithoutPorts() {
    #expect(StatisticsTable.lines([]) == [])
    #expect(StatisticsTable.lines([VirtioConsoleDeviceReport(label: "vs0", ports: [])]) == [])
  }
}
