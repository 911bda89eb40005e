import Chardev

/// Everything that decides what a virtual machine is: a plain value, made before the machine.
public struct VirtualMachineConfiguration: Equatable, Sendable {
  /// What the machine does when the guest resets it.
  public enum ResetPolicy: Equatable, Sendable {
    /// The guest starts again, as on a real machine.
    case reboot
    /// The machine ends with `VirtualMachineOutcome.reset`; and with `VirtualMachineOutcome.halted`
    /// where every CPU has halted for good.
    case exit
  }

  /// What the machine does when the guest tells of a panic, through its panic device. Of one that is
  /// only told on a console, `VirtualMachineOutcome.panicked` tells at the end.
  public enum PanicPolicy: Equatable, Sendable {
    /// It goes on: the guest decides, by `panic=` on its command line.
    case proceed
    /// It is paused, to be looked at.
    case pause
    /// The machine ends with `VirtualMachineOutcome.panicked`, once the kernel has said all: with the
    /// guest, or when no console has printed anything for a second, after ten seconds at the latest.
    case exit
  }

  /// Guest memory where nothing else is said: 512 MiB.
  public static let defaultMemorySize: UInt64 = 512 << 20

  /// The least guest memory, in bytes: 2 MiB.
  public static let minimumMemorySize: UInt64 = 2 << 20

  /// Guest memory comes in multiples of this many bytes, the page of x86: 4 KiB.
  public static let memorySizeGranule: UInt64 = 4 << 10

  /// The kernel and what it is given.
  public var bootLoader: LinuxBootLoader

  /// The number of virtual CPUs, at least 1.
  public var cpuCount: Int

  /// Guest memory in bytes: from `minimumMemorySize` up to the host's memory, a multiple of
  /// `memorySizeGranule`.
  public var memorySize: UInt64

  /// Whether the host gives guest memory in large pages, where it has them: guests are faster, and
  /// take up memory in steps of 2 MiB.
  public var usesHugePages = true

  /// The virtio-serial devices, in the order in which the guest finds them.
  public var consoleDevices: [VirtioConsoleDeviceConfiguration]

  /// The 16550 UART at COM1 (`ttyS0`).
  public var serialPort: SerialPortConfiguration

  /// Where emergency writes to the virtio-serial devices go.
  public var emergencyOutput: EmergencyOutputAttachment

  /// What a guest reset leads to.
  public var resetPolicy: ResetPolicy

  /// Whether the guest waits for `VirtualMachine.resume` before its first instruction.
  public var startsPaused = false

  /// What the machine is called; nil for one without a name.
  public var name: String?

  /// Backends with an id that nothing in this configuration is connected to: they are opened at the
  /// start and wait for a port that comes later.
  public var characterDevices: [ChardevConfiguration] = []

  /// Listening sockets at which clients control the machine in QMP's language, served by `ControlServer` of the
  /// module Control.
  public var controlSockets: [ControlSocketConfiguration] = []

  /// The longest that the end waits for slow readers of what the guest has printed and sent, in
  /// seconds; nil for as long as they take something every ten seconds.
  public var lingerLimit: Int?

  /// Whether devices on the PCI bus may come and go while the guest runs. Linux prints a line for each
  /// of the 31 slots then. Control sockets allow it anyway.
  public var allowsHotPlug = false

  /// Strings for the guest in SMBIOS (OEM strings, type 11), such as systemd's credentials: at most 255,
  /// of 48 KiB together, none empty.
  public var oemStrings: [String] = []

  /// Whether the guest has a pvpanic device, by which its kernel tells of a panic.
  public var hasPanicDevice = false

  /// What a panic leads to.
  public var panicPolicy = PanicPolicy.proceed

  /// Ports by which the guest ends the machine with a status; nil for none.
  public var debugExit: DebugExitConfiguration?

  /// Makes a configuration; `validate` tells whether it can become a machine.
  public init(
    bootLoader: LinuxBootLoader,
    cpuCount: Int = 1,
    memorySize: UInt64 = defaultMemorySize,
    consoleDevices: [VirtioConsoleDeviceConfiguration] = [],
    serialPort: SerialPortConfiguration = SerialPortConfiguration(attachment: .none),
    emergencyOutput: EmergencyOutputAttachment = .automatic,
    resetPolicy: ResetPolicy = .reboot
  ) {
    self.bootLoader = bootLoader
    self.cpuCount = cpuCount
    self.memorySize = memorySize
    self.consoleDevices = consoleDevices
    self.serialPort = serialPort
    self.emergencyOutput = emergencyOutput
    self.resetPolicy = resetPolicy
  }
}

/// Starts a Linux kernel directly, without firmware.
public struct LinuxBootLoader: Equatable, Sendable {
  /// The kernel's file: a bzImage or an ELF vmlinux, 64-bit.
  public var kernelPath: String

  /// The kernel command line.
  public var commandLine: String

  /// The files of the initial RAM disk: cpio archives, which Linux unpacks one after the other.
  public var initialRamdiskPaths: [String]

  /// Makes a boot loader of its files' paths and the kernel command line.
  public init(kernelPath: String, commandLine: String = "", initialRamdiskPaths: [String] = []) {
    self.kernelPath = kernelPath
    self.commandLine = commandLine
    self.initialRamdiskPaths = initialRamdiskPaths
  }
}

/// The machine's 16550 UART at I/O port 0x3F8.
public struct SerialPortConfiguration: Equatable, Sendable {
  /// The backend.
  public var attachment: SerialPortAttachment

  /// Whether the CPU that prints stands still while the backend's reader is too slow; otherwise what
  /// does not fit into 1 MiB is dropped, and counted.
  public var waitsForReader: Bool

  /// Makes a serial port with this backend.
  public init(attachment: SerialPortAttachment, waitsForReader: Bool = false) {
    self.attachment = attachment
    self.waitsForReader = waitsForReader
  }

  /// What the backend is called: QEMU's name where the user gave it none.
  var label: String { attachment.id ?? "serial0" }
}

/// Where a byte goes that a guest writes to `emerg_wr` of a console device's configuration space
/// (virtio 1.2, 5.3.4), at any time: before the driver is set up, and after the device has failed.
///
/// Up to 1 MiB waits for a destination that is slow; what does not fit is dropped and counted.
public enum EmergencyOutputAttachment: Equatable, Sendable {
  /// The serial console, where it has a backend; else line by line to the log, three lines a second.
  case automatic

  /// The serial console's backend.
  case serialPort

  /// A backend of its own, or one that others have, too (`isMultiplexed`). Nothing is read from it.
  case backend(ChardevConfiguration)

  /// A file, created or emptied at the start.
  public static func file(path: String) -> EmergencyOutputAttachment {
    .backend(.file(path: path))
  }
}

/// QEMU's isa-debug-exit: a few I/O ports by which a guest ends the machine with a status.
public struct DebugExitConfiguration: Equatable, Sendable {
  /// The first port; QEMU's default is 0x501.
  public var firstPort: UInt16

  /// How many ports there are, at least 1; QEMU's default is 2.
  public var portCount: Int

  /// Makes a description of where the ports are.
  public init(firstPort: UInt16 = 0x501, portCount: Int = 2) {
    self.firstPort = firstPort
    self.portCount = portCount
  }

  /// The ports; meaningful once validated.
  package var ports: Range<UInt64> {
    UInt64(firstPort)..<UInt64(firstPort) + UInt64(min(max(portCount, 0), 0x2_0000))
  }
}

extension VirtualMachineConfiguration {
  /// Whether the guest is told that devices on the PCI bus come and go: a client of a control socket may
  /// plug some in at any time.
  var hasHotPlug: Bool { allowsHotPlug || !controlSockets.isEmpty }

  /// Whether a person may be typing to the guest.
  var hasConsoleOnStandardIO: Bool {
    serialPort.attachment.includesStandardIO
      || consoleDevices.flatMap(\.ports).contains {
        $0.isConsole && $0.attachment.includesStandardIO
      }
  }
}
