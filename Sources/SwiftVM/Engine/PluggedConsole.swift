import Devices
import Host
import KVM
import Synchronization
import Virtio
import VirtioConsole

/// A console device in one life of the guest, with its transport and its queue notifiers. Belongs to the
/// I/O thread.
final class PluggedConsole {
  private enum Transport {
    case pci(VirtioPCIFunction)
    case mmio(VirtioMMIODevice)
  }

  private static let faultLog = RateLimitedLog()

  private final class Tally: Sendable {
    let faults = Atomic<UInt64>(0)
  }

  let device: ConsoleDevice
  /// The slot of the PCI bus it is in; nil on mmio.
  let slot: Int?
  private let transport: Transport
  private let notifiers: QueueNotifiers
  private let loop: EventLoop
  private let events: GuestEventMailbox
  private let tally = Tally()

  /// Makes the device, whose backends are running, and plugs it in where the board has room.
  ///
  /// - Parameters:
  ///   - defaultVectorCount: for a device on PCI without a `vectorCount` of its own.
  ///   - isRunning: whether the guest runs already, and finds places for the BARs itself.
  init(
    _ owner: MachineDevice, defaultVectorCount: Int?, on board: Board, isRunning: Bool
  ) throws {
    let configuration = owner.configuration
    let (lock, tally) = (DeviceLock(), tally)
    let (loop, events, emergencyOutput) = (board.loop, board.events, board.emergencyOutput)
    self.loop = loop
    self.events = events
    device = ConsoleDevice(
      ports: owner.ports.map { ($0.deviceConfiguration(telling: events), $0.chardev) },
      maximumPorts: configuration.maximumPortCount, lock: lock, remote: loop.remote,
      resizeOrder: configuration.resizeOrder, emergencyOutput: { emergencyOutput.write($0) },
      trace: owner.trace, onDriver: { events.driverCame() },
      onConsoleOutput: board.onConsoleOutput)
    notifiers = QueueNotifiers(machine: board.machine, router: board.bus, loop: loop)
    let features = Features(configuration.features)
    /// Counts a fault, and says which device it is of.
    func onFault(_ place: String) -> @Sendable (QueueFault) -> Void {
      let name = configuration.id ?? place
      return {
        tally.faults.add(1, ordering: .relaxed)
        Self.faultLog.warning("virtio-serial \(name) needs a reset: the guest broke \($0)")
      }
    }
    switch configuration.transport {
    case .pci(let interface):
      let slot = try board.pciSlots.takeSlot(owner.slot)
      self.slot = slot.number
      let function = VirtioPCIFunction(
        device: device, lock: lock, memory: board.memory,
        platform: .init(
          memorySpace: board.bus.memory, portSpace: board.bus.ports, router: board.messages,
          interruptLine: slot.interruptLine, notifiers: notifiers,
          onFault: onFault("in slot \(slot.number)")),
        options: .init(
          interface: interface, allowedFeatures: features,
          vectorCount: configuration.vectorCount ?? defaultVectorCount))
      try board.pciSlots.insert(function, into: slot, placed: !isRunning)
      transport = .pci(function)
    case .mmio:
      let place = try board.pciSlots.takeRegisters()
      slot = nil
      let registers = VirtioMMIODevice(
        device: device, lock: lock, memory: board.memory,
        platform: .init(
          memorySpace: board.bus.memory, interruptLine: place.interruptLine,
          notifiers: notifiers, onFault: onFault("on mmio, number \(place.number)")),
        allowedFeatures: features)
      try registers.plug(at: place.range)
      transport = .mmio(registers)
    }
    notifiers.device = device
    device.attach()
    loop.add(device)
  }

  /// What it is doing, and what happened on it and its ports in this life of the guest.
  var statistics: DeviceStatistics {
    var statistics = device.statistics
    statistics.faultCount = tally.faults.load(ordering: .relaxed)
    return statistics
  }

  func add(_ port: MachinePort) throws(PortError) {
    try device.addPort(port.deviceConfiguration(telling: events), chardev: port.chardev)
  }

  /// Ends the device; its backends live on. The guest may run, and be in the midst of accesses to it.
  func unplug() {
    loop.remove(device)
    device.detach()
    switch transport {
    case .pci(let function): function.unplug()
    case .mmio(let registers): registers.unplug()
    }
  }
}

extension [VirtioConsoleDeviceConfiguration] {
  /// MSI-X vectors that a guest with one CPU surely has: Linux keeps some 200 on each CPU, for
  /// devices of all kinds.
  private static let vectorBudget = 160

  /// How many MSI-X vectors a device on PCI has that asks for no number; nil for one for each queue and one
  /// more.
  ///
  /// A driver that is offered a vector for each queue takes them all, and once the guest's CPUs have
  /// no more to give, the devices after it get none and do not work. So several devices that would
  /// together want too many have two each (configuration, queues), as QEMU's. A device alone keeps
  /// its own, since its driver falls back by itself.
  var defaultVectorCount: Int? {
    // A queue each way for each port and for control (virtio 1.2, 5.3.2), and the configuration.
    let wanted = filter { $0.transport != .mmio }
      .map { $0.vectorCount ?? 2 * ($0.maximumPortCount + 1) + 1 }
    let isCrowded = wanted.count(where: { $0 > 0 }) > 1 && wanted.reduce(0, +) > Self.vectorBudget
    return isCrowded ? 2 : nil
  }
}
