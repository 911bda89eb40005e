import Testing

@testable import SwiftVM

/// How many MSI-X vectors devices have beside each other.
@Suite struct VectorShareTests {
  private func count(
    _ maximumPortCounts: [Int], and others: [VirtioConsoleDeviceConfiguration] = []
  ) -> Int? {
    let devices = maximumPortCounts.map {
      VirtioConsoleDeviceConfiguration(ports: [], maximumPortCount: $0)
    }
    return (devices + others).defaultVectorCount
  }

  @Test func deviceAloneKeepsAVectorForEachQueue() { #expect(count([1024]) == nil) }

  @Test func twoDevicesOfTheUsualSizeKeepTheirs() { #expect(count([31, 31]) == nil) }

  @Test func manyDevicesHaveTwoVectorsEach() {
    #expect(count(Array(repeating: 31, count: 26)) == 2)
  }

  @Test func askedForVectorsCountAndOtherTransportsWantNone() {
    let asked = VirtioConsoleDeviceConfiguration(ports: [], vectorCount: 200)
    let mapped = VirtioConsoleDeviceConfiguration(
      ports: [], maximumPortCount: 1024, transport: .mmio)
    #expect(count([], and: [asked, mapped]) == nil)
    #expect(count([1], and: [asked]) == 2)
  }
}
