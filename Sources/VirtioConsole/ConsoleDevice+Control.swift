import Host
import Virtio

// What the guest says on the control queue, and what it is told; with the lock held, on the I/O
// thread.
extension ConsoleDevice {
  func tellGuest(of port: Port, _ pass: Pass) throws(QueueFault) {
    control.enqueue(port)
    try sendControl(pass)
  }

  /// Tells the guest what is pending.
  func sendControl(_ pass: Pass) throws(QueueFault) {
    if try control.send(pass) { postControl() }
  }

  func handle(_ message: ControlMessage, _ pass: Pass) throws(QueueFault) {
    tracer.note(.fromGuest, message.description)
    guard message.event != .deviceReady else { return deviceReady(message.value == 1) }
    guard let port = table[message.port], !control.isRemovalPending(of: message.port) else {
      return ignore("no such port")
    }
    switch message.event {
    case .portReady: try portReady(port, message.value == 1, pass)
    case .portOpen: try guestOpened(port, message.value != 0, pass)
    default: ignore("only the device may say this")
    }
  }

  func ignore(_ reason: String) {
    ignoredMessageCount &+= 1
    tracer.note(.fromGuest, "ignored: \(reason)")
  }

  private func deviceReady(_ isReady: Bool) {
    guard isReady, driver?.hasAnnouncedPorts == false else { return }
    driver?.isListening = true
    driver?.hasAnnouncedPorts = true
    for port in table.ports {
      port.state.deviceReady()
      control.enqueue(port)
    }
  }

  private func portReady(_ port: Port, _ isReady: Bool, _ pass: Pass) throws(QueueFault) {
    guard isReady else {
      port.guestOpened(false)
      try port.discardIfPending(pass)
      port.state.portFailed()
      return try service(port, pass)
    }
    // A driver that comes back from sleep does not say DEVICE_READY again.
    driver?.isListening = true
    if !port.hasQueues {
      try returnBuffers(ofQueue: PortTable.receiveQueue(ofPort: port.number) + 1, pass)
      connectQueues(of: port)
    }
    port.state.portReady()
    control.enqueue(port)
    onDriver?()
  }

  private func guestOpened(_ port: Port, _ open: Bool, _ pass: Pass) throws(QueueFault) {
    guard port.state.isReady else { return ignore("the port is not ready") }
    if port.state.isGuestOpen != open { port.note("guest \(open ? "opened" : "closed") it") }
    if open { port.prepareToOpen(pass.clock) }
    port.guestOpened(open)
    try port.discardIfPending(pass)
    control.enqueue(port)
    try service(port, pass)
  }

  // MARK: Clients that follow each other

  /// Has the port's handover looked at when something is due; without effect where none goes on.
  func scheduleHandover(of port: Port) {
    guard !port.handover.isSettled, !port.isHandoverScheduled else { return }
    port.isHandoverScheduled = true
    let delay = max(0, port.handover.deadline &- MonotonicClock.now())
    loop.post(afterMilliseconds: Int((delay &+ 999_999) / 1_000_000)) { [weak self, weak port] in
      if let port { self?.advanceHandover(of: port) }
    }
  }

  private func advanceHandover(of port: Port) {
    enter { pass throws(QueueFault) in
      port.isHandoverScheduled = false
      guard table[port.number] === port else { return }
      let hasTaken = try port.handover.awaitedMessage.map { (message) throws(QueueFault) in
        try control.hasTaken(message)
      }
      // What the guest has written counts, too, before it is looked at.
      if port.handover.isDraining { try service(port.transmit, pass) }
      if port.advanceHandover(hasTakenClose: hasTaken ?? false) {
        try port.discardIfHostLeft(pass)
        try tellGuest(of: port, pass)
        try service(port, pass)
      }
      scheduleHandover(of: port)
    } withoutDriver: {
      // In a pause the guest can neither write nor notice; without a driver nothing goes on.
      port.isHandoverScheduled = false
    }
  }

  // MARK: Sizes of consoles

  /// Tells the guest how large the terminal behind a console is; other ports have no size.
  ///
  /// Port 0's size goes to the configuration space, with a notification if the driver reads it
  /// there (virtio 1.2, 5.3.4); with MULTIPORT every console's goes in a RESIZE message as well.
  func takeSize(of port: Port) {
    guard port.isConsole, let terminal = port.backend.terminal?.windowSize else { return }
    let size = ConsoleSize(columns: terminal.columns, rows: terminal.rows)
    guard port.state.size != size else { return }
    port.note("\(size.columns) columns, \(size.rows) rows")
    port.state.resized(size)
    if port.number == 0 { configuration.size = size }
    let isConfigurationChange = port.number == 0 && driver?.readsSize == true
    whileLocked { pass throws(QueueFault) in
      if isConfigurationChange { pass.interrupt.notifyConfigurationChange() }
      try tellGuest(of: port, pass)
    } withoutDriver: {
      if isConfigurationChange { suspension.isConfigurationChangePending = true }
    }
  }
}
