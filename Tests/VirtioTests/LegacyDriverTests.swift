import GuestMemory
import TestSupport
import Testing
import Virtio

/// A transitional device's concessions to legacy drivers, below every transport.
@Suite struct LegacyDriverTests {
  static let memoryEnd: UInt64 = 0x100_0000
  let memory: GuestMemory
  let device = StubDevice(queueCount: 65534)
  let notifier = RecordingNotifier()

  init() throws { memory = try GuestMemory(regions: [0..<Self.memoryEnd]) }

  private func makeController(isTransitional: Bool = false) -> VirtioDeviceState {
    let controller = VirtioDeviceState(
      device: device, memory: memory, isTransitional: isTransitional)
    notifier.controller = controller
    return controller
  }

  /// Everything up to FEATURES_OK.
  private func negotiate(_ controller: VirtioDeviceState, _ features: Features) {
    controller.writeStatus([.acknowledge], driver: notifier)
    controller.writeStatus([.acknowledge, .driver], driver: notifier)
    controller.accept(features, within: .all)
    controller.writeStatus([.acknowledge, .driver, .featuresOK], driver: notifier)
  }

  @Test("L5: a legacy ring is found by its page number, the used ring on the next page boundary")
  func placesLegacyRings() {
    let controller = makeController(isTransitional: true)
    controller.enableLegacyQueue(5, pageFrame: 0x123, driver: notifier)
    let ring = controller.configuration(ofQueue: 5)
    #expect(ring?.size == 64)
    #expect(ring?.descriptorTable == 0x12_3000)
    #expect(ring?.availableRing == 0x12_3400)
    #expect(ring?.usedRing == 0x12_4000)
    #expect(controller.legacyPageFrame(ofQueue: 5) == 0x123)
    controller.enableLegacyQueue(5, pageFrame: 0, driver: notifier)
    #expect(controller.legacyPageFrame(ofQueue: 5) == 0)
    #expect(!controller.isEnabled(queue: 5))
  }

  @Test("L3, L6: a legacy driver gets the low 32 features, ANY_LAYOUT among them, and goes live")
  func negotiatesWithoutFeaturesOK() {
    let controller = makeController(isTransitional: true)
    #expect(controller.offeredFeatures.contains(.anyLayout))
    #expect(!makeController().offeredFeatures.contains(.anyLayout))
    controller.writeLegacyStatus([.acknowledge], driver: notifier)
    controller.writeLegacyStatus([.acknowledge, .driver], driver: notifier)
    controller.accept(.all, within: .all)
    controller.enableLegacyQueue(0, pageFrame: 1, driver: notifier)
    controller.writeLegacyStatus([.acknowledge, .driver, .driverOK], driver: notifier)
    #expect(controller.status == [.acknowledge, .driver, .driverOK])
    #expect(device.activations == [controller.offeredFeatures.intersection(.legacy)])
    #expect(device.enabledQueues == [0])
    controller.writeLegacyStatus([], driver: notifier)
    #expect(controller.status == [])
    #expect(device.deactivations == 1)
  }

  @Test("L4: a legacy driver may use the device before DRIVER_OK, and add queues while it is live")
  func goesLiveAtTheFirstNotification() {
    let controller = makeController(isTransitional: true)
    controller.legacyDriverNotified(driver: notifier)
    #expect(!controller.isLive, "there is no queue yet")
    controller.enableLegacyQueue(0, pageFrame: 1, driver: notifier)
    controller.legacyDriverNotified(driver: notifier)
    #expect(device.enabledQueues == [0])
    controller.enableLegacyQueue(1, pageFrame: 4, driver: notifier)
    #expect(device.enabledQueues == [0, 1])
    controller.writeLegacyStatus([.driverOK], driver: notifier)
    #expect(device.activations.count == 1)
    controller.accept(.indirectDescriptors, within: .all)
    #expect(controller.acceptedFeatures == [], "features are fixed once the device is live")
    controller.enableLegacyQueue(0, pageFrame: 0, driver: notifier)
    #expect(device.enabledQueues == [1])
  }

  @Test("L3: a driver that mixes the two interfaces gets one of them, and breaks nothing")
  func keepsTheInterfacesApart() {
    let controller = makeController(isTransitional: true)
    negotiate(controller, .version1)
    controller.enableLegacyQueue(0, pageFrame: 1, driver: notifier)
    controller.legacyDriverNotified(driver: notifier)
    controller.writeLegacyStatus([.driverOK], driver: notifier)
    #expect(device.activations.isEmpty)
    #expect(!controller.isEnabled(queue: 0))
    controller.writeLegacyStatus([], driver: notifier)
    controller.enableLegacyQueue(0, pageFrame: 1, driver: notifier)
    controller.accept(.version1, within: .all)
    controller.legacyDriverNotified(driver: notifier)
    #expect(device.activations == [[]])
    controller.writeStatus([.acknowledge, .driver, .featuresOK], driver: notifier)
    #expect(!controller.status.contains(.featuresOK), "too late: the device is live")
  }

  @Test("L5, G2: a legacy ring outside memory is a fault")
  func refusesLegacyRingsOutsideMemory() {
    let controller = makeController(isTransitional: true)
    for pageFrame: UInt32 in [0xfff, 0x1000, .max] {
      controller.enableLegacyQueue(0, pageFrame: pageFrame, driver: notifier)
      #expect(!controller.isEnabled(queue: 0))
      #expect(controller.status.contains(.needsReset))
      controller.writeLegacyStatus([], driver: notifier)
    }
    #expect(notifier.faults.count == 3)
  }
}
