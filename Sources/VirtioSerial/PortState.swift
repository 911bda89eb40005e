/// What guest and host know of one port, and which control messages the guest is still owed.
///
/// Pure: inputs are what the guest or the host did, outputs are messages, in the order drivers rely
/// on (DEVICE_ADD, then after PORT_READY: CONSOLE_PORT, PORT_NAME, PORT_OPEN). What is owed is
/// kept as a few bits, never as a list, so that it stays bounded whatever the two sides do; a host
/// side that closes and opens again faster than the guest listens is told as one close, one open.
struct PortState {
  let id: UInt32
  let name: [UInt8]
  let isConsole: Bool

  /// The guest has said PORT_READY since it last reset the device.
  private(set) var isReady = false
  /// The guest has the port open.
  private(set) var isGuestOpen = false
  /// Somebody is connected on the host's side.
  private(set) var isHostOpen = false

  private var isAnnounced = false
  private var owesAdd = false
  private var owesConsole = false
  private var owesName = false
  private var owesClose = false
  private var owesOpen = false
  private var guestBelievesHostOpen = false

  init(id: UInt32, name: String, isConsole: Bool) {
    self.id = id
    self.name = Array(name.utf8)
    self.isConsole = isConsole
  }

  // MARK: Inputs

  /// The driver is there and wants to hear of ports; of each once (virtio 1.2, 5.3.6.1).
  mutating func deviceReady() {
    guard !isAnnounced else { return }
    isAnnounced = true
    owesAdd = true
  }

  /// The guest answered DEVICE_ADD, or came back from sleep and asks anew without DEVICE_READY.
  mutating func portReady() {
    isReady = true
    isAnnounced = true
    owesAdd = false
    owesConsole = isConsole
    owesName = !name.isEmpty
    owesClose = guestBelievesHostOpen && !isHostOpen
    owesOpen = isHostOpen
  }

  /// The guest could not set the port up.
  mutating func portFailed() {
    isReady = false
    isGuestOpen = false
    owesConsole = false
    owesName = false
    owesClose = false
    owesOpen = false
  }

  mutating func guestOpened(_ open: Bool) { isGuestOpen = open }

  mutating func hostOpened(_ open: Bool) {
    guard open != isHostOpen else { return }
    isHostOpen = open
    guard isReady else { return }
    if open {
      owesOpen = true
    } else {
      owesOpen = false
      owesClose = guestBelievesHostOpen
    }
  }

  /// The driver is gone: a reset, or a fault that makes the device inert.
  mutating func reset() {
    let hostOpen = isHostOpen
    self = PortState(id: id, name: name, isConsole: isConsole)
    isHostOpen = hostOpen
  }

  private init(id: UInt32, name: [UInt8], isConsole: Bool) {
    self.id = id
    self.name = name
    self.isConsole = isConsole
  }

  // MARK: Outputs

  /// The message the guest is owed next, or nil.
  var nextMessage: ControlMessage? {
    if owesAdd { return ControlMessage(port: id, event: .deviceAdd, value: 1) }
    if owesConsole { return ControlMessage(port: id, event: .consolePort, value: 1) }
    if owesName { return ControlMessage(port: id, event: .portName, value: 1, payload: name) }
    if owesClose { return ControlMessage(port: id, event: .portOpen, value: 0) }
    if owesOpen { return ControlMessage(port: id, event: .portOpen, value: 1) }
    return nil
  }

  /// `nextMessage` has been delivered.
  mutating func messageSent() {
    if owesAdd {
      owesAdd = false
    } else if owesConsole {
      owesConsole = false
    } else if owesName {
      owesName = false
    } else if owesClose {
      owesClose = false
      guestBelievesHostOpen = false
    } else if owesOpen {
      owesOpen = false
      guestBelievesHostOpen = true
    }
  }
}
