import Chardev
import Virtio

/// One port: its name and role, its host end, its two queues.
///
/// Everything but the chardev's events is called with the device's lock held; turns are taken on
/// the I/O thread only. A turn moves a bounded number of bytes, so that no port keeps the others
/// waiting.
///
/// `@unchecked Sendable`: guarded by the device's lock.
final class Port: @unchecked Sendable {
  /// Bytes one port moves in one direction before the others have their turn.
  static let turnBytes = 1 << 20

  let chardev: any Chardev
  var state: PortState
  var isWaitingToSend = false
  var receiveQueue: Virtqueue?
  var transmitQueue: Virtqueue? {
    didSet { transmitPath.reset() }  // a half-written chain goes with its queue
  }
  private(set) var counters = PortCounters()

  private var transmitPath: TransmitPath
  private let receivePath = ReceivePath()
  /// Whose port it is; set once, by the device.
  weak var device: SerialDevice?

  init(id: UInt32, configuration: PortConfiguration, chardev: any Chardev) {
    self.chardev = chardev
    state = PortState(id: id, name: configuration.name, isConsole: configuration.isConsole)
    transmitPath = TransmitPath(holdsBack: !configuration.isConsole)
  }

  /// The driver is gone, and with it the queues.
  func reset() {
    receiveQueue = nil
    transmitQueue = nil
    state.reset()
    isWaitingToSend = false
  }

  /// The guest takes bytes: a generic port throws away what comes while it is closed, a console
  /// does not.
  private var guestListens: Bool { state.isConsole || state.isGuestOpen }

  /// Host to guest, as much as one turn allows.
  func takeReceiveTurn(using list: SegmentList, driver: any DriverNotifier) throws(QueueFault) {
    guard guestListens, chardev.isConnected, let queue = receiveQueue else {
      return chardev.setWantsReadable(false)
    }
    let outcome = try receivePath.run(
      queue, from: chardev, using: list, budget: Self.turnBytes, counters: &counters,
      driver: driver)
    switch outcome {
    case .drained, .more: chardev.setWantsReadable(true)
    case .starved, .disconnected: chardev.setWantsReadable(false)
    }
  }

  /// Guest to host, as much as one turn allows; returns whether another turn is due.
  func takeTransmitTurn(
    using list: SegmentList, driver: any DriverNotifier
  ) throws(QueueFault) -> Bool {
    try transmit(using: list, driver: driver) == .more
  }

  /// The same at the end; returns whether something is left that a connected client may still take.
  func flush(using list: SegmentList, driver: any DriverNotifier) throws(QueueFault) -> Bool {
    let outcome = try transmit(using: list, driver: driver)
    return outcome == .more || outcome == .blocked
  }

  private func transmit(
    using list: SegmentList, driver: any DriverNotifier
  ) throws(QueueFault) -> TransmitPath.Outcome {
    guard let queue = transmitQueue else {
      chardev.setWantsWritable(false)
      return .idle
    }
    let outcome = try transmitPath.run(
      queue, to: chardev, using: list, budget: Self.turnBytes, counters: &counters,
      driver: driver)
    chardev.setWantsWritable(outcome == .blocked)
    return outcome
  }
}

extension Port: ChardevDelegate {
  func chardevDidConnect(_ chardev: any Chardev) {
    device?.hostSideChanged(of: self, open: true)
  }

  func chardevDidDisconnect(_ chardev: any Chardev) {
    device?.hostSideChanged(of: self, open: false)
  }

  func chardevIsReadable(_ chardev: any Chardev) { device?.hostSideIsReadable(of: self) }

  func chardevIsWritable(_ chardev: any Chardev) { device?.hostSideIsWritable(of: self) }
}
