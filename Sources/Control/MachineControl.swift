import Chardev
import Host

/// What QMP's commands need of a machine. Every call is made on the machine's thread, and none waits
/// for the guest or for a client. The errors are for the client who gave the command.
package protocol MachineControl: AnyObject {
  /// What the user calls the machine; nil for nothing.
  var name: String? { get }
  /// Whether the guest runs, or is to start or to end at any moment.
  var runState: RunState { get }
  /// The virtual CPUs, by ascending index.
  var processors: [ProcessorReport] { get }
  /// What is on the PCI bus, by ascending slot.
  var pciFunctions: [PCIFunctionReport] { get }

  /// Stops the virtual CPUs; without effect where they are stopped.
  func pauseGuest() throws(QMPError)
  /// Lets them run again; without effect where they run.
  func resumeGuest() throws(QMPError)
  /// Starts the guest again, as the reset button would.
  func resetGuest() throws(QMPError)
  /// Presses the power button, to which the guest answers as it likes.
  func pressPowerButtonOfGuest() throws(QMPError)
  /// Ends the machine. The reply is still sent.
  func quit()

  /// Every chardev there is.
  var chardevs: [ChardevReport] { get }
  /// Makes a chardev with an id; a port may use it later.
  ///
  /// - Returns: the new terminal's path where it is a pseudo-terminal, else nil.
  func addChardev(_ configuration: ChardevConfiguration) throws(QMPError) -> String?
  /// Puts another chardev in the place of one that no port uses, or one port alone.
  func changeChardev(_ configuration: ChardevConfiguration) throws(QMPError) -> String?
  /// Ends a chardev that no port uses.
  func removeChardev(id: String) throws(QMPError)
  /// Has a chardev's front end receive a break, to which a port's is deaf.
  func sendBreak(toChardev id: String)
  /// The ring buffer that a chardev is.
  func ringBuffer(id: String) throws(QMPError) -> any RingBufferAccess

  /// Adds a port to a virtio-serial device.
  func addPort(_ request: PortRequest) throws(QMPError)
  /// Adds a virtio-serial device to the PCI bus.
  func addSerialDevice(_ request: SerialDeviceRequest) throws(QMPError)
  /// Removes a port, or asks the guest to let a device go.
  func removeDevice(id: String) throws(QMPError)

  /// Every port there is, device by device.
  var ports: [PortStatus] { get }
  /// Whether the guest has a port open; nil where there is no port that is meant by this word.
  func isOpenInGuest(port word: String) -> Bool?
  /// Adds a port as `swiftvm run` would.
  ///
  /// - Parameters:
  ///   - option: `virtserialport`, `virtconsole` or `preset`.
  ///   - value: what follows that option on the command line.
  ///   - directory: what paths that are not absolute start from.
  ///   - check: judges the port's backend before anything is opened.
  func plug(
    option: String, value: String, directory: String,
    check: (ChardevConfiguration) throws(QMPError) -> Void
  ) throws(QMPError)
  /// Connects to a port's host end as one more client.
  ///
  /// - Parameter port: its id, or else its name.
  func connect(toPort port: String) throws(QMPError) -> FileDescriptor
}

/// What a guest is doing; the raw value is QEMU's RunState.
package enum RunState: String, Sendable {
  case running
  case paused
  /// It has not been started yet.
  case prelaunch
  /// The guest has ended.
  case shutdown
}

/// One virtual CPU.
package struct ProcessorReport: Equatable, Sendable {
  /// The number, from 0 on.
  package let index: Int
  /// The thread it runs on, as gettid(2) tells; nil while there is none.
  package let thread: Int32?

  package init(index: Int, thread: Int32?) {
    self.index = index
    self.thread = thread
  }
}

/// One function on the PCI bus.
package struct PCIFunctionReport: Equatable, Sendable {
  /// One base address register.
  package struct Region: Equatable, Sendable {
    /// The register's number.
    package var index: Int
    /// What it decodes, in bytes.
    package var size: UInt64
    /// Where; nil where the guest has given it no place.
    package var address: UInt64?
    /// Whether it is in the I/O port space.
    package var isPorts: Bool
    /// Whether it is a 64-bit one; for memory.
    package var is64Bit: Bool
    /// Whether it is prefetchable; for memory.
    package var isPrefetchable: Bool

    package init(
      index: Int, size: UInt64, address: UInt64?, isPorts: Bool, is64Bit: Bool,
      isPrefetchable: Bool
    ) {
      self.index = index
      self.size = size
      self.address = address
      self.isPorts = isPorts
      self.is64Bit = is64Bit
      self.isPrefetchable = isPrefetchable
    }
  }

  package var slot: Int
  package var function: Int
  /// The id the user gave it; empty for none.
  package var id: String
  package var vendor: UInt16
  package var device: UInt16
  package var subsystemVendor: UInt16
  package var subsystem: UInt16
  /// Class and subclass.
  package var classCode: UInt16
  /// The interrupt line that firmware would set, and the pin, 0 for none.
  package var interruptLine: UInt8
  package var interruptPin: UInt8
  package var regions: [Region]

  package init(
    slot: Int, function: Int = 0, id: String, vendor: UInt16, device: UInt16,
    subsystemVendor: UInt16, subsystem: UInt16, classCode: UInt16, interruptLine: UInt8,
    interruptPin: UInt8, regions: [Region] = []
  ) {
    self.slot = slot
    self.function = function
    self.id = id
    self.vendor = vendor
    self.device = device
    self.subsystemVendor = subsystemVendor
    self.subsystem = subsystem
    self.classCode = classCode
    self.interruptLine = interruptLine
    self.interruptPin = interruptPin
    self.regions = regions
  }
}

/// One chardev.
package struct ChardevReport: Equatable, Sendable {
  /// Its id; one that is made up for a chardev that has none.
  package let label: String
  /// What it is, in QEMU's words.
  package let filename: String
  /// Whether the guest has the port open that uses it.
  package let isFrontEndOpen: Bool

  package init(label: String, filename: String, isFrontEndOpen: Bool) {
    self.label = label
    self.filename = filename
    self.isFrontEndOpen = isFrontEndOpen
  }
}

/// A ring buffer's bytes.
package protocol RingBufferAccess: AnyObject {
  /// Takes out the oldest bytes.
  func read(limit: Int) -> [UInt8]
  /// Puts bytes in, as the guest would.
  func write(_ bytes: [UInt8])
  /// Calls back once, from the event loop, when it holds a text or has been given it.
  ///
  /// - Returns: what takes that back.
  func wait(for text: [UInt8], whenFound: @escaping () -> Void) -> () -> Void
}

/// A port to be added (`device_add` of virtserialport and virtconsole).
package struct PortRequest: Equatable, Sendable {
  package var isConsole: Bool
  package var id: String?
  package var name: String?
  /// A chardev's id; nil for a port that leads nowhere.
  package var chardev: String?
  /// The device, as its bus: the id with `.0` after it; nil for the first.
  package var bus: String?
  package var number: Int?
}

/// A virtio-serial device to be added (`device_add` of virtio-serial-pci).
package struct SerialDeviceRequest: Equatable, Sendable {
  package var id: String?
  package var maximumPortCount: Int?
  package var vectorCount: Int?
  /// The PCI slot asked for; nil for any.
  package var slot: Int?
}

/// Who has a port open, and what went through it.
package struct PortStatus: Equatable, Sendable {
  /// The device's id, or what stands for it in reports.
  package var device: String
  package var number: Int
  package var id: String?
  package var name: String?
  package var isConsole: Bool
  package var isOpenInGuest: Bool
  package var isOpenOnHost: Bool
  package var isThrottled: Bool
  /// The chardev's label and what it is.
  package var chardev: String
  package var filename: String
  package var bytesToHost: UInt64
  package var bytesToGuest: UInt64
  package var bytesDropped: UInt64
  package var bytesDiscarded: UInt64
  package var throttleCount: UInt64
  package var connectionCount: UInt64
  /// Clients that wait for their turn at the host end, and how many have had to.
  package var waitingClientCount = 0
  package var queuedClientCount: UInt64 = 0

  package init(device: String, number: Int, name: String?, isConsole: Bool, chardev: String) {
    self.device = device
    self.number = number
    self.name = name
    self.isConsole = isConsole
    self.chardev = chardev
    id = nil
    isOpenInGuest = false
    isOpenOnHost = false
    isThrottled = false
    filename = ""
    bytesToHost = 0
    bytesToGuest = 0
    bytesDropped = 0
    bytesDiscarded = 0
    throttleCount = 0
    connectionCount = 0
  }
}
