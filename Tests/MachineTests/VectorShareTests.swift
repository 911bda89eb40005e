import SwiftVM
import Testing
import Virtio

/// How many MSI-X vectors devices have beside each other.
@Suite struct VectorShareTests {
  private typealias Device = MachineConfiguration.ConsoleDevice

  private func counts(_ devices: [Device]) -> [Int?] {
    MachineConfiguration.ConsoleDevice.sharingVectors(devices).map(\.vectorCount)
  }

  @Test func deviceAloneKeepsAVectorForEachQueue() {
    #expect(counts([Device(ports: [], maximumPorts: 1024)]) == [nil])
  }

  @Test func twoDevicesOfTheUsualSizeKeepTheirs() {
    #expect(
      counts([Device(ports: [], maximumPorts: 31), Device(ports: [], maximumPorts: 31)])
        == [nil, nil])
  }

  @Test func manyDevicesHaveTwoVectorsEach() {
    let devices = (1...26).map { _ in Device(ports: [], maximumPorts: 31) }
    #expect(counts(devices) == Array(repeating: 2, count: 26))
  }

  @Test func askedForVectorsStandAndOtherTransportsWantNone() {
    let asked = Device(ports: [], maximumPorts: 31, vectorCount: 200)
    let mapped = Device(ports: [], maximumPorts: 1024, transport: .mmio)
    #expect(counts([asked, mapped]) == [200, nil])
    #expect(counts([asked, Device(ports: [], maximumPorts: 1)]) == [200, 2])
  }
}
