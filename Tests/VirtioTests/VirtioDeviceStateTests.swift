import GuestMemory
import TestSupport
import Testing
import Virtio

/// Negotiation and queue set-up below every transport.
@Suite struct VirtioDeviceStateTests {
  static let memoryEnd: UInt64 = 0x100_0000
  let memory: GuestMemory
  let device = StubDevice(queueCount: 65534)
  let notifier = RecordingNotifier()

  init() throws { memory = try GuestMemory(regions: [0..<Self.memoryEnd]) }

  private func makeController(_ allowed: Features = .all) -> VirtioDeviceState {
    let controller = VirtioDeviceState(device: device, memory: memory, allowedFeatures: allowed)
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

  private func goLive(_ controller: VirtioDeviceState) {
    controller.writeStatus(controller.status.union(.driverOK), driver: notifier)
  }

  @discardableResult
  private func setUp(
    _ controller: VirtioDeviceState, _ index: Int, base: UInt64, size: UInt16 = 8
  ) -> MockQueue {
    let ring = MockQueue(memory: memory, base: base, size: size)
    controller.configureQueue(index) { $0 = ring.configuration(maximumSize: $0.maximumSize) }
    controller.enableQueue(index, driver: notifier)
    return ring
  }

  // MARK: Features

  @Test("N1: VERSION_1 is offered; a driver that does not take it is refused")
  func offersVersionOne() {
    let controller = makeController()
    #expect(controller.offeredFeatures.contains(.version1))
    negotiate(controller, controller.offeredFeatures.subtracting(.version1))
    #expect(controller.status == [.acknowledge, .driver])
  }

  @Test("N2: neither a masked feature is offered, nor one that needs it, nor an undefined bit")
  func offersNothingWithoutItsPrerequisite() {
    for bit in 0..<64 {
      let allowed = Features.all.subtracting(Features(bit: bit))
      let offered = makeController(allowed).offeredFeatures
      #expect(offered.isSubset(of: allowed))
      #expect(offered == offered.withoutUnmetPrerequisites)
      #expect(offered.contains(.ringReset) == (bit != 32 && bit != 40))
      #expect(offered.contains(.packedRing) == (bit != 32 && bit != 34))
    }
    let greedy = VirtioDeviceState(
      device: StubDevice(features: .all), memory: memory, isTransitional: true)
    #expect(
      greedy.offeredFeatures == Features.deviceType.union(.ring).union(.anyLayout),
      "of the bits that are not its own, a device type offers none")
  }

  @Test("N3: every subset with VERSION_1 is accepted, every other refused; N4: after a reset again")
  func acceptsEveryValidSubset() {
    let controller = makeController()
    let bits = (0..<64).filter { controller.offeredFeatures.contains(Features(bit: $0)) }
    for subset in 0..<(1 << bits.count) {
      let features = Features(
        bits.indices.filter { subset >> $0 & 1 == 1 }.map { Features(bit: bits[$0]) })
      for _ in 0..<2 {
        negotiate(controller, features)
        #expect(controller.acceptedFeatures == features)
        #expect(controller.status.contains(.featuresOK) == features.contains(.version1))
        controller.writeStatus([], driver: notifier)
      }
    }
  }

  @Test("K1, S1, N3: the ring is of the layout that was negotiated")
  func makesTheNegotiatedLayout() {
    for features: Features in [.version1, [.version1, .packedRing]] {
      let controller = makeController()
      negotiate(controller, features)
      setUp(controller, 1, base: 0x1000, size: 7)
      #expect(
        controller.isEnabled(queue: 1) == features.contains(.packedRing),
        "only a packed ring may have seven entries")
      #expect(controller.status.contains(.needsReset) == !features.contains(.packedRing))
    }
  }

  @Test("N9: SUSPEND is not offered, so no driver relies on it")
  func doesNotOfferSuspend() {
    #expect(!makeController().offeredFeatures.contains(Features(bit: 43)))
  }

  @Test("N5, N7, G4: the device gets its enabled queues at DRIVER_OK, and loses them at reset")
  func activatesAtDriverOK() {
    let controller = makeController()
    negotiate(controller, .version1)
    setUp(controller, 65533, base: 0x1000)
    setUp(controller, 3, base: 0x3000)
    setUp(controller, 65534, base: 0x5000)
    #expect(device.activations.isEmpty)
    goLive(controller)
    #expect(device.enabledQueues == [3, 65533])
    controller.writeStatus([], driver: notifier)
    #expect(device.deactivations == 1)
    #expect(!controller.isEnabled(queue: 3))
  }

  @Test("N6: a fault makes the device inert until it is reset")
  func staysInertAfterAFault() {
    let controller = makeController()
    negotiate(controller, [.version1, .ringReset])
    setUp(controller, 1, base: 0x1000)
    goLive(controller)
    notifier.fail(QueueFault(queue: 1, violation: .chainTooLong))
    #expect(notifier.configurationChanges == 1)
    controller.resetQueue(1)
    setUp(controller, 2, base: 0x3000)
    #expect(controller.isEnabled(queue: 1))
    #expect(!controller.isEnabled(queue: 2))
    #expect(device.deactivations == 1)
    #expect(controller.faultCount == 1)
    controller.writeStatus([], driver: notifier)
    negotiate(controller, .version1)
    goLive(controller)
    #expect(controller.isLive)
  }

  // MARK: P9: one queue's reset

  @Test("P9: a queue goes while the device is live, and comes back elsewhere with another size")
  func resetsOneQueue() {
    let controller = makeController()
    negotiate(controller, [.version1, .ringReset])
    setUp(controller, 1, base: 0x1000)
    setUp(controller, 2, base: 0x3000)
    goLive(controller)
    controller.resetQueue(1)
    #expect(device.enabledQueues == [2])
    #expect(!controller.isEnabled(queue: 1))
    #expect(controller.configuration(ofQueue: 1) == QueueConfiguration(maximumSize: 64))
    setUp(controller, 1, base: 0x5000, size: 16)
    #expect(device.enabledQueues == [1, 2])
    #expect(controller.configuration(ofQueue: 1)?.size == 16)
    #expect(device.activations.count == 1)
    setUp(controller, 1, base: 0x7000, size: 4)
    #expect(controller.configuration(ofQueue: 1)?.size == 16, "not while it is enabled")
  }

  @Test("P9: only of queues that are enabled, and only with RING_RESET")
  func resetsNothingElse() {
    let controller = makeController()
    negotiate(controller, .version1)
    setUp(controller, 1, base: 0x1000)
    goLive(controller)
    controller.resetQueue(1)
    #expect(controller.isEnabled(queue: 1))
    controller.writeStatus([], driver: notifier)
    negotiate(controller, [.version1, .ringReset])
    setUp(controller, 1, base: 0x1000)
    goLive(controller)
    for index in [0, 2, 65534, -1, .max] {
      controller.resetQueue(index)
      setUp(controller, index, base: 0x3000)
    }
    #expect(device.enabledQueues == [1], "what was never enabled is not enabled after DRIVER_OK")
  }

  @Test("Counters of a queue outlive its reset, and the device's; of the others there are none")
  func statisticsOutliveResets() throws {
    let controller = makeController()
    var base: UInt64 = 0x1000
    for life: UInt64 in 1...4 {
      if life != 2 { negotiate(controller, [.version1, .ringReset]) }
      let ring = setUp(controller, 7, base: base)
      if life != 2 { goLive(controller) }
      ring.publish([.init(0x8000, 10)])
      let queue = try #require(device.queues[7])
      try queue.useNext()
      _ = queue.publish()
      queue.countNotification()
      var expected = QueueStatistics()
      expected.bufferCount = life
      expected.byteCount = 10 * life
      expected.interruptCount = life
      expected.notificationCount = life
      #expect(controller.statistics(ofQueue: 7) == expected)
      // The first life ends by the queue's own reset.
      if life == 1 { controller.resetQueue(7) } else { controller.reset() }
      #expect(controller.statistics(ofQueue: 7) == expected)
      base += 0x1000
    }
    negotiate(controller, .version1)
    setUp(controller, 7, base: Self.memoryEnd)
    #expect(controller.statistics(ofQueue: 7)?.faultCount == 1)
    #expect(controller.statistics(ofQueue: 6) == nil)
  }

  @Test("P9, G2: a queue that comes back with bad addresses is a fault")
  func refusesABadQueueAfterReset() {
    let controller = makeController()
    negotiate(controller, [.version1, .ringReset])
    setUp(controller, 1, base: 0x1000)
    goLive(controller)
    controller.resetQueue(1)
    setUp(controller, 1, base: Self.memoryEnd)
    #expect(notifier.faults.map(\.queue) == [1])
    #expect(controller.status.contains(.needsReset))
    #expect(!controller.isLive)
  }
}
