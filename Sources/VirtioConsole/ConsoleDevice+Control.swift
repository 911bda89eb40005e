import Virtio

// What the guest says on the control queue, and what it is told; with the lock held, on the I/O
// thread.
extension ConsoleDevice {
  func tellGuest(of port: Port, driver: any VirtioInterrupt) throws(QueueFault) {
    control.enqueue(port)
    try sendControl(driver: driver)
  }

  func handle(_ message: ControlMessage, driver: any VirtioInterrupt) throws(QueueFault) {
    tracer.note(.fromGuest, message.description)
    guard message.event != .deviceReady else { return deviceReady(message.value == 1) }
    guard let port = table[message.port], !control.owesRemoval(of: message.port) else {
      return ignore("no such port")
    }
    switch message.event {
    case .portReady: try portReady(port, message.value == 1, driver: driver)
    case .portOpen: try guestOpened(port, message.value != 0, driver: driver)
    default: ignore("only the device may say this")
    }
  }

  func ignore(_ reason: String) {
    ignoredMessageCount &+= 1
    tracer.note(.fromGuest, "ignored: \(reason)")
  }

  private func deviceReady(_ isReady: Bool) {
    guard isReady, !hasAnnouncedPorts else { return }
    isDriverListening = true
    hasAnnouncedPorts = true
    for port in table.ports {
      port.state.deviceReady()
      control.enqueue(port)
    }
  }

  private func portReady(
    _ port: Port, _ isReady: Bool, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    guard isReady else {
      port.guestOpened(false)
      if port.owesDiscard { try port.discardIfHostLeft(using: list, driver: driver) }
      port.state.portFailed()
      return try takeTurns(port, driver: driver)
    }
    // A driver that comes back from sleep does not say DEVICE_READY again.
    isDriverListening = true
    if !port.hasQueues {
      try returnBuffers(
        ofQueue: PortTable.receiveQueue(ofPort: port.number) + 1, driver: driver)
      connectQueues(of: port)
    }
    port.state.portReady()
    control.enqueue(port)
    onDriver?()
  }

  private func guestOpened(
    _ port: Port, _ open: Bool, driver: any VirtioInterrupt
  ) throws(QueueFault) {
    guard port.state.isReady else { return ignore("the port is not ready") }
    if port.state.isGuestOpen != open {
      tracer.note(.state, "port \(port.number): guest \(open ? "opened" : "closed") it")
    }
    if open { port.prepareToOpen(clock) }
    port.guestOpened(open)
    // What it wrote to a client that had gone is returned before the next one may get it.
    if port.owesDiscard { try port.discardIfHostLeft(using: list, driver: driver) }
    control.enqueue(port)
    try takeTurns(port, driver: driver)
  }

  // MARK: Sizes of consoles

  func hostSideWasResized(of port: Port) { lock.withLock { takeSize(of: port) } }

  /// The size the chardev has now, if it has one.
  func takeSize(of port: Port) {
    guard let size = port.chardev.terminal?.windowSize else { return }
    resize(port, ConsoleSize(columns: size.columns, rows: size.rows))
  }

  /// Tells the guest how large the terminal behind a console is; other ports have no size.
  ///
  /// Port 0's size goes to the configuration space, with a notification if the driver reads it
  /// there (virtio 1.2, 5.3.4); with MULTIPORT every console's goes in a RESIZE message as well.
  private func resize(_ port: Port, _ size: ConsoleSize) {
    guard port.configuration.isConsole, port.state.size != size else { return }
    tracer.note(.state, "port \(port.number): \(size.columns) columns, \(size.rows) rows")
    port.state.resized(size)
    if port.number == 0 { configuration.size = size }
    whileLocked { driver throws(QueueFault) in
      if port.number == 0, features.contains(Self.sizeFeature) {
        driver.notifyConfigurationChange()
      }
      try tellGuest(of: port, driver: driver)
    } inert: {
      if port.number == 0, features.contains(Self.sizeFeature) { owesConfigurationChange = true }
    }
  }
}
