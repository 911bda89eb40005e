import Virtio

// What the driver sees.
extension ConsoleDevice: VirtioDevice {
  package var deviceID: UInt16 { 3 }

  package var offeredFeatures: Features {
    let always: Features = [Self.sizeFeature, Self.emergencyWriteFeature]
    return table.limit > 1 ? always.union(Self.multiportFeature) : always
  }

  package var queueCount: Int { table.queueCount }

  package func maximumSize(ofQueue index: Int) -> UInt16 { Self.queueSize }

  package var configurationLength: Int { ConsoleConfiguration.length }

  package func readConfiguration(offset: Int) -> UInt8 { configuration.byte(at: offset) }

  package var configurationChanges: UInt64 { configuration.changes }

  package func writeConfiguration(offset: Int, width: Int, value: UInt64) {
    guard offset == ConsoleConfiguration.emergencyWriteOffset else { return }
    emergencyOutput(UInt8(truncatingIfNeeded: value))
  }

  package func activate(queues: [Int: Virtqueue], features: Features, driver: any VirtioInterrupt) {
    self.driver = driver
    self.queues = queues
    self.features = features
    tracer.note(.state, "driver ready\(isMultiport ? "" : ", without MULTIPORT")")
    if isMultiport {
      control.receiveSlot.queue = queues[ControlChannel.receiveQueueIndex]
      control.transmitSlot.queue = queues[ControlChannel.transmitQueueIndex]
    }
    for port in table.ports { connectQueues(of: port) }
    onDriver?()
    postService()
  }

  package func deactivate() {
    if !isFailing { tracer.note(.state, "reset") }
    driver = nil
    queues = [:]
    features = []
    isDriverListening = false
    hasMissedEvents = false
    owesConfigurationChange = false
    hasAnnouncedPorts = false
    control.reset()
    runQueue.removeAll()
    endAllWatches()
    for port in table.ports { port.reset(using: list) }
    postService()
  }

  package func serves(queue index: Int) -> Bool {
    lock.withLock { 2..<4 ~= index || table.port(ofQueue: index) != nil }
  }

  package func queueEnabled(_ index: Int, queue: Virtqueue) { replaceQueue(index, by: queue) }

  package func resetQueue(_ index: Int) { replaceQueue(index, by: nil) }

  /// Hands a queue to whom it belongs, or takes it away, and has its owner look at it anew.
  private func replaceQueue(_ index: Int, by queue: Virtqueue?) {
    queues[index] = queue
    switch index {
    case ControlChannel.receiveQueueIndex where isMultiport: control.receiveSlot.queue = queue
    case ControlChannel.transmitQueueIndex where isMultiport: control.transmitSlot.queue = queue
    default:
      guard let port = table.port(ofQueue: index), port.hasQueues else { return }
      if PortTable.isTransmitQueue(index) {
        port.replaceTransmitQueue(by: queue, using: list)
      } else {
        port.replaceReceiveQueue(by: queue)
      }
      return postTurns(of: port)
    }
    postControlTurn()
  }

  /// Gives a port the queues that the driver has set up for it. Without MULTIPORT there is port 0
  /// only, which nobody opens or closes.
  func connectQueues(of port: Port) {
    guard isMultiport || port.number == 0 else { return }
    let first = PortTable.receiveQueue(ofPort: port.number)
    port.connectQueues(receive: queues[first], transmit: queues[first + 1], using: list)
    port.state.mayResize = isMultiport && features.contains(Self.sizeFeature)
    if !isMultiport { port.guestOpened(true) }
  }

  /// The driver knows of more ports than number 0, and talks on the control queues.
  var isMultiport: Bool { features.contains(Self.multiportFeature) }
}
