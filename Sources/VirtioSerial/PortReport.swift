import Virtio

/// What one port is, who has it open, and what went through it.
package struct PortReport: Equatable, Sendable {
  /// The port's number in its device.
  package let number: UInt32
  /// Its name; empty for none.
  package let name: String
  /// Whether the guest uses it as a terminal.
  package let isConsole: Bool
  /// The guest has it open.
  package let guestOpen: Bool
  /// A client is connected.
  package let hostOpen: Bool
  /// The guest waits for the client to read.
  package let isThrottled: Bool
  /// What went through it.
  package let counters: PortCounters
  /// What happened on the queue of the guest's buffers to be filled, over all drivers' lives.
  package let receiveQueue: QueueCounters
  /// The same of the queue of what the guest sends.
  package let transmitQueue: QueueCounters

  init(_ port: Port) {
    number = port.number
    name = port.configuration.name
    isConsole = port.configuration.isConsole
    guestOpen = port.state.isGuestOpen
    hostOpen = port.state.isHostOpen
    isThrottled = port.isThrottled
    counters = port.counters
    receiveQueue = port.receiveSlot.counters
    transmitQueue = port.transmitSlot.counters
  }
}

extension SerialDevice {
  /// Every port's report, by ascending number. On any thread.
  package var portReports: [PortReport] { lock.withLock { table.ports.map(PortReport.init) } }

  /// Whether the guest has a port open; false where there is no such port. On any thread.
  package func isOpenInGuest(port number: UInt32) -> Bool {
    lock.withLock { table[number]?.state.isGuestOpen ?? false }
  }
}
