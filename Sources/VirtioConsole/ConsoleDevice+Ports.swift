import Chardev
import Host
import Virtio

// Ports that come and go, and what they tell of themselves.
extension ConsoleDevice {
  /// Begins to serve the backends; on the I/O thread, once they are started.
  package func attach() {
    lock.withLock {
      isAttached = true
      for port in table.ports { attach(port) }
      postService()
    }
  }

  /// Lets the backends go, which live on; on the I/O thread. The guest is gone: its ports close, and
  /// what their backends have not taken by now is counted as lost.
  package func detach() {
    lock.withLock {
      isAttached = false
      for port in table.ports {
        port.guestOpened(false)
        end(port)
      }
    }
  }

  /// Adds a port while the machine runs: a driver that listens is told of it (virtio 1.2, 5.3.6.1).
  /// On the I/O thread; the backend has been started.
  ///
  /// - Returns: the port's number.
  /// - Throws: if the number asked for cannot be had, or none is left, or a port of this device has
  ///   the name. Whether one of another device has it is for the caller to check.
  @discardableResult
  package func addPort(
    _ configuration: PortConfiguration, chardev: any Chardev
  ) throws(PortError) -> UInt32 {
    try lock.withLock { () throws(PortError) -> UInt32 in
      let port = try makePort(configuration, backend: chardev, wasHotAdded: true)
      port.note("added")
      if isAttached { attach(port) }
      if let driver {
        if !driver.isMultiport { connectQueues(of: port) }
        if driver.isListening { port.state.deviceReady() }
      }
      whileLocked { pass throws(QueueFault) in
        try tellGuest(of: port, pass)
        try service(port, pass)
      } withoutDriver: {
        port.runWithoutDriver(clock)
      }
      return port.number
    }
  }

  /// Removes a port, without asking the guest. What the guest has written and the client takes now
  /// is passed on, the rest returned to the guest and counted, in a pause as well; the backend is let
  /// go, with its client. On the I/O thread.
  ///
  /// - Returns: what went through the port.
  @discardableResult
  package func removePort(number: UInt32) throws(PortError) -> PortStatistics {
    try lock.withLock { () throws(PortError) -> PortStatistics in
      let port = try table.remove(number)
      clock.restart(nanoseconds: EventLoop.TurnClock.farewellNanoseconds)
      whileLocked(evenPaused: true) { pass throws(QueueFault) in
        try port.transmit.drainBeforeRemoval(pass)
      }
      end(port)
      control.remove(port)
      let lost = port.statistics.bytesDiscarded &+ port.statistics.bytesDropped
      port.note("removed" + (lost > 0 ? ", \(lost) bytes lost in its life" : ""))
      whileLocked { pass throws(QueueFault) in try sendControl(pass) }
      return port.report
    }
  }

  /// Gives a port another backend, which has been started; the one before is let go. Drivers are told
  /// of it as of a client that leaves and one that comes. On the I/O thread; without effect where there
  /// is no such port.
  package func exchangeChardev(ofPort number: UInt32, for chardev: any Chardev) {
    lock.withLock {
      guard let port = table[number] else { return }
      portsByBackend[ObjectIdentifier(port.backend)] = nil
      port.exchangeBackend(for: chardev)
      port.note("other backend")
      clientChanged(of: port, isPresent: false)
      guard isAttached else { return }
      attach(port)
      clientChanged(of: port, isPresent: chardev.isConnected)
    }
  }

  @discardableResult
  func makePort(
    _ configuration: PortConfiguration, backend: any Chardev, wasHotAdded: Bool = false
  ) throws(PortError) -> Port {
    try table.add(configuration) { number in
      Port(
        number: number, configuration: configuration, backend: backend, device: self,
        wasHotAdded: wasHotAdded)
    }
  }

  private func attach(_ port: Port) {
    portsByBackend[ObjectIdentifier(port.backend)] = port
    port.backend.delegate = self
    port.clientChanged(isPresent: port.backend.isConnected)
    takeSize(of: port)
  }

  private func end(_ port: Port) {
    for lane in port.lanes { schedule.remove(lane) }
    portsByBackend[ObjectIdentifier(port.backend)] = nil
    port.end(using: batch, clock: clock)
  }

  // MARK: What happens on it

  /// What it is doing, and what happened on it and its ports since it was made. On any thread.
  package var statistics: DeviceStatistics {
    lock.withLock {
      var result = DeviceStatistics(ports: table.ports.map(\.report))
      result.ignoredMessageCount = ignoredMessageCount
      result.bytesToUnknownPorts = bytesToUnknownPorts
      result.controlReceiveQueue = control.receiveSlot.statistics
      result.controlTransmitQueue = control.transmitSlot.statistics
      return result
    }
  }

  /// Bytes that backends have taken since the device was made. On any thread.
  package var bytesToHost: UInt64 {
    lock.withLock { table.ports.reduce(0) { $0 &+ $1.statistics.bytesToHost } }
  }

  /// Bytes that have left this process and wait for their readers, as far as the host tells. On the
  /// I/O thread.
  package var unreadByteCount: Int {
    lock.withLock { table.ports.reduce(0) { $0 &+ $1.backend.outputStatus.unreadByteCount } }
  }

  /// Whether the guest has a port open; false where there is no such port. On any thread.
  package func isOpenInGuest(port number: UInt32) -> Bool {
    lock.withLock { table[number]?.state.isGuestOpen ?? false }
  }
}
