/// What guest and host know of one port, and which control messages are pending for the guest.
///
/// Pure: inputs are what the guest or the host did, outputs are messages, in the order drivers rely
/// on (DEVICE_ADD, then after PORT_READY: CONSOLE_PORT, RESIZE, PORT_NAME, PORT_OPEN). What is pending
/// is kept as a few bits, never as a list, so that it stays bounded whatever the two sides do; a
/// host side that closes and opens again faster than the guest listens is told as one close, one
/// open.
struct PortState {
  let number: UInt32
  let name: String
  let isConsole: Bool
  private let resizeOrder: ResizeOrder

  /// The guest has said PORT_READY since it last reset the device.
  private(set) var isReady = false
  /// The guest has the port open.
  private(set) var isGuestOpen = false
  /// A client is connected on the host's side.
  private(set) var isHostOpen = false
  /// The guest knows the port, so that it must be told of its removal.
  private(set) var isKnownToGuest = false
  /// The driver has agreed to be told of sizes by message.
  var mayResize = false

  private var isAnnounced = false
  /// The size of the console's terminal, once there is one.
  private(set) var size: ConsoleSize?
  private var pending: PendingMessages = []
  private var guestBelievesHostOpen = false

  /// The messages that may be pending, in the order of their sending.
  private struct PendingMessages: OptionSet {
    let rawValue: UInt8
    static let add = PendingMessages(rawValue: 1 << 0)
    static let console = PendingMessages(rawValue: 1 << 1)
    static let resize = PendingMessages(rawValue: 1 << 2)
    static let name = PendingMessages(rawValue: 1 << 3)
    static let close = PendingMessages(rawValue: 1 << 4)
    static let open = PendingMessages(rawValue: 1 << 5)

    var first: PendingMessages { PendingMessages(rawValue: rawValue & (~rawValue &+ 1)) }

    mutating func set(_ messages: PendingMessages, _ isPending: Bool) {
      if isPending { insert(messages) } else { remove(messages) }
    }
  }

  init(number: UInt32, configuration: PortConfiguration, resizeOrder: ResizeOrder) {
    self.init(
      number: number, name: configuration.name, isConsole: configuration.isConsole,
      resizeOrder: resizeOrder)
  }

  private init(number: UInt32, name: String, isConsole: Bool, resizeOrder: ResizeOrder) {
    self.number = number
    self.name = name
    self.isConsole = isConsole
    self.resizeOrder = resizeOrder
  }

  // MARK: Inputs

  /// The driver is there and asks for the ports; it is told of each once (virtio 1.2, 5.3.6.1).
  mutating func deviceReady() {
    guard !isAnnounced else { return }
    isAnnounced = true
    pending.insert(.add)
  }

  /// The guest answered DEVICE_ADD, or came back from sleep and asks anew without DEVICE_READY.
  mutating func portReady() {
    isReady = true
    isAnnounced = true
    isKnownToGuest = true
    pending = []
    pending.set(.console, isConsole)
    pending.set(.resize, hasPendingSize)
    pending.set(.name, !name.isEmpty)
    pending.set(.close, guestBelievesHostOpen && !isHostOpen)
    pending.set(.open, isHostOpen)
  }

  /// The guest could not set the port up.
  mutating func portFailed() {
    isReady = false
    isGuestOpen = false
    pending.formIntersection(.add)
  }

  mutating func guestOpened(_ open: Bool) { isGuestOpen = open }

  mutating func hostOpened(_ open: Bool) {
    guard open != isHostOpen else { return }
    isHostOpen = open
    guard isReady else { return }
    pending.set(.open, open)
    if !open { pending.set(.close, guestBelievesHostOpen) }
  }

  /// The console's terminal has this size now.
  mutating func resized(_ size: ConsoleSize) {
    guard size != self.size else { return }
    self.size = size
    if isReady { pending.set(.resize, hasPendingSize) }
  }

  /// The driver is gone: a reset, or a fault that makes the device inert.
  mutating func reset() {
    var fresh = PortState(
      number: number, name: name, isConsole: isConsole, resizeOrder: resizeOrder)
    fresh.isHostOpen = isHostOpen
    fresh.size = size
    self = fresh
  }

  private var hasPendingSize: Bool { isConsole && mayResize && size != nil }

  // MARK: Outputs

  /// The message that is to be sent next, or nil.
  var nextMessage: ControlMessage? {
    switch pending.first {
    case .add: ControlMessage(port: number, event: .deviceAdd, value: 1)
    case .console: ControlMessage(port: number, event: .consolePort, value: 1)
    case .resize:
      ControlMessage(
        port: number, event: .resize, value: 1, payload: size?.payload(resizeOrder) ?? [])
    case .name:
      ControlMessage(port: number, event: .portName, value: 1, payload: Array(name.utf8))
    case .close: ControlMessage(port: number, event: .portOpen, value: 0)
    case .open: ControlMessage(port: number, event: .portOpen, value: 1)
    default: nil
    }
  }

  /// `nextMessage` has been delivered.
  mutating func messageSent() {
    let sent = pending.first
    pending.remove(sent)
    switch sent {
    case .add: isKnownToGuest = true
    case .close: guestBelievesHostOpen = false
    case .open: guestBelievesHostOpen = true
    default: break
    }
  }
}
