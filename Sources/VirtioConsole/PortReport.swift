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
  /// A console has lost some of its output since its reader was too slow, and not by the policy of
  /// dropping what is oldest.
  package let hasLostOutput: Bool
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
    hasLostOutput = port.hasLostOutput
    counters = port.counters
    receiveQueue = port.receiveSlot.counters
    transmitQueue = port.transmitSlot.counters
  }
}

extension ConsoleDevice {
  /// Every port's report, by ascending number. On any thread.
  package var portReports: [PortReport] { lock.withLock { table.ports.map(PortReport.init) } }

  /// Bytes that host ends have taken since the device was made. On any thread.
  package var bytesToHost: UInt64 {
    lock.withLock { table.ports.reduce(0) { $0 &+ $1.counters.bytesToHost } }
  }

  /// Bytes that have left this process and wait for their readers, as far as the host tells. On the
  /// I/O thread.
  package var unreadByteCount: Int {
    lock.withLock { table.ports.reduce(0) { $0 &+ $1.chardev.unreadByteCount } }
  }

  /// Whether the guest has a port open; false where there is no such port. On any thread.
  package func isOpenInGuest(port number: UInt32) -> Bool {
    lock.withLock { table[number]?.state.isGuestOpen ?? false }
  }
}
