import Boot
import Chardev
import GuestMemory
import Host
import Virtio
import VirtioConsole

/// What a machine is made of, once everything the user named has been opened and checked.
package struct MachineConfiguration {
  /// A port and its host end, which outlives resets of the guest.
  package typealias Port = (configuration: PortConfiguration, chardev: any Chardev)

  /// One virtio-serial device.
  package struct ConsoleDevice {
    /// What the user calls it; empty for one that has no name.
    package var id: String
    /// Its ports; the first console gets number 0, the others count from 1 in this order.
    package var ports: [Port]
    /// What the guest is told there may be.
    package var maximumPorts: Int
    /// How the guest reaches it.
    package var transport: VirtioTransport
    /// Features that are not among these are not offered.
    package var allowedFeatures: Features
    /// How many MSI-X vectors its PCI function has, 0 to 2048; nil for one for each queue and one
    /// more, as far as that goes beside the other devices.
    package var vectorCount: Int?
    /// The slot of the PCI bus it is in, 1 to 31; nil for the lowest free one.
    package var slot: Int?
    /// In which order the guest is told columns and rows.
    package var resizeOrder = ResizeOrder.specification
    /// The guest has been asked to let it go.
    var isToBeRemoved = false
    /// Called with every control message and change of state, on any thread; must not wait.
    package var trace: (@Sendable (TraceEvent) -> Void)?

    package init(
      id: String = "", ports: [Port], maximumPorts: Int,
      transport: VirtioTransport = .pci(.modern), allowedFeatures: Features = .all,
      vectorCount: Int? = nil, slot: Int? = nil
    ) {
      self.id = id
      self.ports = ports
      self.maximumPorts = maximumPorts
      self.transport = transport
      self.allowedFeatures = allowedFeatures
      self.vectorCount = vectorCount
      self.slot = slot
    }
  }

  /// Where emergency writes to the virtio-serial devices go.
  package enum EmergencyOutput {
    /// To the serial console's host end.
    case serial
    /// Line by line to the log.
    case log
    /// To a chardev of its own.
    case hostEnd(any Chardev)
  }

  /// What becomes of a machine whose guest has panicked.
  package enum PanicAction: Equatable, Sendable {
    /// The guest decides.
    case proceed
    /// It is paused.
    case pause
    /// It ends, once the kernel has said all it has to say.
    case end
  }

  /// Bytes of guest RAM.
  package var memorySize: UInt64
  /// Whether guest RAM comes in large pages where the host has them.
  package var usesHugePages = true
  /// Number of virtual CPUs.
  package var cpuCount: Int
  /// What lies where in memory before the first instruction.
  package var bootPlan: BootPlan
  /// Where the plan's bytes come from.
  package var bootFiles: BootFiles
  /// The virtio-serial devices, in slot order.
  package var consoleDevices: [ConsoleDevice]
  /// Host ends that last as long as the machine, or until `Machine.release`, whatever ports come and
  /// go; ports may have them.
  package var keptChardevs: [any Chardev] = []
  /// COM1's host end; nil for a serial port that leads nowhere.
  package var serial: (any Chardev)?
  /// Whether vCPUs wait for COM1's host end, in place of dropping what it is too slow for.
  package var serialWaitsForReader = false
  /// Where emergency writes go.
  package var emergency = EmergencyOutput.log
  /// Whether a reset ends the machine instead of booting anew.
  package var endsOnReset: Bool
  /// The longest that the end waits for slow readers, in seconds; nil for as long as they read.
  package var lingerLimit: Int?
  /// Whether there is a pvpanic device.
  package var hasPanicDevice = false
  /// Whether the guest has been told that devices on the PCI bus come and go.
  package var allowsHotPlug = false
  /// What a panic that the guest tells of leads to.
  package var panicAction = PanicAction.proceed
  /// The ports by which the guest ends the machine with a status; nil for none.
  package var debugExit: Range<UInt64>?

  package init(
    memorySize: UInt64, cpuCount: Int, bootPlan: BootPlan, bootFiles: BootFiles,
    consoleDevices: [ConsoleDevice], serial: (any Chardev)?, endsOnReset: Bool
  ) {
    self.memorySize = memorySize
    self.cpuCount = cpuCount
    self.bootPlan = bootPlan
    self.bootFiles = bootFiles
    self.consoleDevices = consoleDevices
    self.serial = serial
    self.endsOnReset = endsOnReset
  }

  /// Every host end, for starting and stopping.
  var chardevs: [any Chardev] {
    var chardevs = consoleDevices.flatMap { $0.ports.map(\.chardev) }
    if let serial { chardevs.append(serial) }
    if case .hostEnd(let chardev) = emergency { chardevs.append(chardev) }
    return keptChardevs + chardevs.filter { !isKept($0) }
  }

  /// Whether a host end lasts longer than the port that has it.
  func isKept(_ chardev: any Chardev) -> Bool { keptChardevs.contains { $0 === chardev } }
}

/// The kernel and the initrds, open for as long as the machine may boot.
package final class BootFiles: Sendable {
  /// The kernel file.
  let kernel: ImageFile
  private let initrds: [ImageFile]
  /// Linux unpacks archives that begin at a multiple of this.
  private static let archiveAlignment: UInt64 = 4

  package init(kernel: ImageFile, initrds: [ImageFile]) {
    self.kernel = kernel
    self.initrds = initrds
  }

  /// The kernel's bytes, to be looked at.
  package var kernelBytes: ImageBytes {
    ImageBytes(count: kernel.count) { [self] offset, buffer in
      (try? kernel.read(at: offset, into: buffer)) != nil
    }
  }

  /// Bytes of all initrds, with what lies between them; nil without one.
  package var initrdSize: UInt64? {
    initrds.isEmpty ? nil : initrds.reduce(0) { Self.start(after: $0) &+ UInt64($1.count) }
  }

  /// Reads the initrds to guest memory, which is zero between them.
  package func readInitrds(into memory: GuestMemory, at address: UInt64) throws {
    var size: UInt64 = 0
    for initrd in initrds {
      let start = Self.start(after: size)
      try initrd.read(at: 0, into: memory.buffer(at: address &+ start, count: initrd.count))
      size = start &+ UInt64(initrd.count)
    }
  }

  /// Where the next archive begins, after so many bytes.
  private static func start(after size: UInt64) -> UInt64 {
    (size &+ archiveAlignment &- 1) & ~(archiveAlignment &- 1)
  }

  /// Makes sure that what has been read is what was there at the start.
  func checkUnchanged() throws(ImageFileError) {
    try kernel.checkUnchanged()
    for initrd in initrds { try initrd.checkUnchanged() }
  }
}

extension MachineConfiguration.ConsoleDevice {
  /// MSI-X vectors that a guest with one CPU surely has: Linux keeps some 200 on each CPU, for
  /// devices of all kinds.
  private static let vectorBudget = 160

  /// The devices, each with as many MSI-X vectors as it can have beside the others.
  ///
  /// A driver that is offered a vector for each queue takes them all, and once the guest's CPUs have
  /// no more to give, the devices after it get none and do not work. So several devices that would
  /// together want too many have two each (configuration, queues), as QEMU's; a device alone keeps
  /// its own, since its driver falls back by itself. What the user asked for stands.
  package static func sharingVectors(_ devices: [Self]) -> [Self] {
    let wanted = devices.map(\.wantedVectors)
    guard wanted.count(where: { $0 > 0 }) > 1, wanted.reduce(0, +) > vectorBudget else {
      return devices
    }
    return devices.map { device in
      guard case .pci = device.transport else { return device }
      var device = device
      device.vectorCount = device.vectorCount ?? 2
      return device
    }
  }

  private var wantedVectors: Int {
    guard case .pci = transport else { return 0 }
    // A queue each way for each port and for control (virtio 1.2, 5.3.2), and the configuration.
    return vectorCount ?? 2 * (maximumPorts + 1) + 1
  }
}
