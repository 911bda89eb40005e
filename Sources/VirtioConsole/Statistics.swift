import Host
import Virtio

/// What one port is, which sides have it open, and what went through it since the machine was made,
/// over all resets of the guest.
public struct PortStatistics: Equatable, Sendable {
  /// The port's number in its device.
  public var number: Int
  /// Its name in the guest; nil for none.
  public var name: String?
  /// Whether the guest treats it as a console.
  public var isConsole = false
  /// Whether the guest has it open.
  public var isOpenInGuest = false
  /// Whether a client is connected on the host.
  public var isOpenOnHost = false
  /// Whether the guest waits now for the client to read.
  public var isThrottled = false
  /// Whether a console has lost output because its reader was too slow, and not by the policy of
  /// dropping the oldest.
  package var hasLostOutput = false

  /// Bytes that the guest sent and the backend took. With `bytesDropped` and what of
  /// `bytesDiscarded` came from the guest, they make up all that the guest sent.
  public var bytesToHost: UInt64 = 0
  /// Bytes from the host that were put into the guest's buffers.
  public var bytesToGuest: UInt64 = 0
  /// Bytes a console sent that its client did not take in time, and those of any port that its
  /// backend could not write (disk full, reader gone).
  public var bytesDropped: UInt64 = 0
  /// Bytes thrown away by `on-host-close=discard`, `early=drop`, or a reset of the guest.
  public var bytesDiscarded: UInt64 = 0
  /// How often the guest had to wait for the client.
  public var throttleCount: UInt64 = 0
  /// How many clients have come.
  public var connectionCount: UInt64 = 0
  /// The queue of the buffers that the guest gives to be filled.
  public var receiveQueue = QueueStatistics()
  /// The queue of what the guest sends.
  public var transmitQueue = QueueStatistics()

  /// A generic port that is closed, and that nothing went through.
  public init(number: Int, name: String?) {
    self.number = number
    self.name = name
  }

  /// The port as it is, with what it counted in earlier lives of the guest added. A client that stayed
  /// counts once.
  package func after(_ past: PortStatistics?) -> PortStatistics {
    guard let past else { return self }
    var sum = self
    for count in [
      \PortStatistics.bytesToHost, \.bytesToGuest, \.bytesDropped, \.bytesDiscarded,
      \.throttleCount,
      \.connectionCount,
    ] {
      sum[keyPath: count] &+= past[keyPath: count]
    }
    if past.isOpenOnHost { sum.connectionCount &-= 1 }
    sum.receiveQueue = receiveQueue + past.receiveQueue
    sum.transmitQueue = transmitQueue + past.transmitQueue
    return sum
  }

  /// The same counts, of a port in the state of `other`.
  package func inState(of other: PortStatistics) -> PortStatistics {
    var result = self
    result.isOpenInGuest = other.isOpenInGuest
    result.isOpenOnHost = other.isOpenOnHost
    result.isThrottled = other.isThrottled
    result.hasLostOutput = other.hasLostOutput
    return result
  }
}

/// What one virtio-console device is doing, and what happened on it since the machine was made, over
/// all resets of the guest.
public struct DeviceStatistics: Equatable, Sendable {
  /// The device's id, or `virtio-serial` and how many devices the machine had had before.
  public var label: String
  /// Its ports, by ascending number.
  public var ports: [PortStatistics]
  /// How often the driver broke a rule, so that the device needed a reset.
  public var faultCount: UInt64 = 0
  /// Control messages that meant nothing: too short, unknown, or for a port that is not there.
  public var ignoredMessageCount: UInt64 = 0
  /// Bytes the guest wrote to ports that were not there.
  public var bytesToUnknownPorts: UInt64 = 0
  /// Ports that were removed.
  public var removedPortCount: UInt64 = 0
  /// Bytes of removed ports that were dropped or discarded.
  public var bytesLostWithPorts: UInt64 = 0
  /// The queue of control messages to the guest.
  public var controlReceiveQueue = QueueStatistics()
  /// The queue of control messages from the guest.
  public var controlTransmitQueue = QueueStatistics()

  /// A device on which nothing happened.
  public init(label: String = "", ports: [PortStatistics] = []) {
    self.label = label
    self.ports = ports
  }

  /// The device as it is, with what it and its ports counted in earlier lives of the guest added.
  package func after(_ past: DeviceStatistics?) -> DeviceStatistics {
    guard let past else { return self }
    var sum = self
    for count in [
      \DeviceStatistics.faultCount, \.ignoredMessageCount, \.bytesToUnknownPorts,
      \.removedPortCount, \.bytesLostWithPorts,
    ] {
      sum[keyPath: count] &+= past[keyPath: count]
    }
    sum.controlReceiveQueue = controlReceiveQueue + past.controlReceiveQueue
    sum.controlTransmitQueue = controlTransmitQueue + past.controlTransmitQueue
    let earlier = Dictionary<Int, PortStatistics>(
      past.ports.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    sum.ports = ports.map { $0.after(earlier[$0.number]) }
    return sum
  }
}

/// One control message or change of state, as it happened.
package struct TraceEvent: Sendable {
  /// Which way it went.
  package enum Direction: String, Sendable {
    /// A control message that the guest has been given.
    case toGuest = "to guest"
    /// A control message that the guest has sent.
    case fromGuest = "from guest"
    /// What became of the device or of a port.
    case state = "state"
  }

  /// When, in nanoseconds of the monotonic clock.
  package let time: Int64
  /// Which way it went.
  package let direction: Direction
  /// What, without the device's name.
  package let text: String
}

/// Where events go, if anywhere; without a listener nothing is looked up, formatted or allocated.
struct Tracer: Sendable {
  let sink: (@Sendable (TraceEvent) -> Void)?

  func note(_ direction: TraceEvent.Direction, _ text: @autoclosure () -> String) {
    guard let sink else { return }
    sink(TraceEvent(time: MonotonicClock.now(), direction: direction, text: text()))
  }
}
