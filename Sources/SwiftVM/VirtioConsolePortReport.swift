import Machine
import VirtioConsole

/// Who has a port open, and what went through it since the machine was made, over all resets of the
/// guest.
public struct VirtioConsolePortReport: Equatable, Sendable {
  /// The port's number in its device.
  public var number: Int
  /// Its name in the guest; nil for none.
  public var name: String?
  /// Whether the guest treats it as a console.
  public var isConsole = false
  /// Whether the guest has it open.
  public var isOpenInGuest = false
  /// Whether somebody is connected on the host.
  public var isOpenOnHost = false
  /// Whether the guest waits now for the client to read.
  public var isThrottled = false
  /// Bytes that the guest sent and the host end took.
  public var bytesToHost: UInt64 = 0
  /// Bytes from the host that were put into the guest's buffers.
  public var bytesToGuest: UInt64 = 0
  /// Bytes a console sent that its client did not take in time, and those of any port that its host end could not
  /// write (disk full, reader gone).
  public var bytesDropped: UInt64 = 0
  /// Bytes thrown away by `on-host-close=discard`, `early=drop`, or a reset of the guest.
  public var bytesDiscarded: UInt64 = 0
  /// How often the guest had to wait for the client.
  public var throttleCount: UInt64 = 0
  /// How many clients have come.
  public var connectionCount: UInt64 = 0
  /// The queue of the buffers that the guest gives to be filled.
  public var receiveQueue = VirtioQueueReport()
  /// The queue of what the guest sends.
  public var transmitQueue = VirtioQueueReport()

  /// A generic port that is closed, and that nothing went through.
  public init(number: Int, name: String?) {
    self.number = number
    self.name = name
  }
}

extension VirtioConsolePortReport {
  init(_ total: PortTotal) {
    let (port, counters) = (total.report, total.counters)
    self.init(number: Int(port.number), name: port.name.isEmpty ? nil : port.name)
    isConsole = port.isConsole
    isOpenInGuest = port.guestOpen
    isOpenOnHost = port.hostOpen
    isThrottled = port.isThrottled
    add(counters)
    receiveQueue = VirtioQueueReport(total.receiveQueue)
    transmitQueue = VirtioQueueReport(total.transmitQueue)
  }

  /// A serial line is a console that the guest cannot close.
  init(_ line: Machine.SerialLine) {
    self.init(number: 0, name: nil)
    isConsole = true
    isOpenInGuest = true
    isOpenOnHost = line.isConnected
    add(line.counters)
  }

  private mutating func add(_ counters: PortCounters) {
    bytesToHost = counters.bytesToHost
    bytesToGuest = counters.bytesToGuest
    bytesDropped = counters.bytesDropped
    bytesDiscarded = counters.bytesDiscarded
    throttleCount = counters.throttles
    connectionCount = counters.connections
  }
}
