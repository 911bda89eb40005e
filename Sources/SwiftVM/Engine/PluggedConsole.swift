import Devices
import GuestMemory
import Host
import KVM
import Synchronization
import Virtio
import VirtioConsole

/// One virtio-serial device with its transport and its queue notifiers: what a board plugs in and out.
/// Belongs to the loop's thread.
final class PluggedConsole {
  /// What a device gets from the machine it is in.
  struct MachineContext {
    let loop: EventLoop
    let memory: GuestMemory
    let machine: KVMVirtualMachine
    let messages: any MSIRouter
    let router: IOBus
    let emergencyOutput: EmergencyOutput
    /// Called for each port that the guest opens or closes; on any thread.
    let onGuestOpen: @Sendable (PortConfiguration, Bool) -> Void
    /// Called for each driver that comes; on any thread.
    let onDriver: @Sendable () -> Void
    /// Told that a console has printed something, and what its kernel says of itself there; on the
    /// loop's thread, with the device locked.
    let onConsoleOutput: @Sendable (KernelFault) -> Void
  }

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
  private let tally = Tally()

  /// Makes the device and plugs it in where `pciSlots` has room; its chardevs are running. Where the
  /// guest runs already, it is left to it to place the BARs.
  init(
    _ configuration: MachineConfiguration.ConsoleDevice,
    into pciSlots: inout PCISlots, _ context: MachineContext, whileRunning: Bool = false
  ) throws {
    loop = context.loop
    let lock = DeviceLock()
    let emergencyOutput = context.emergencyOutput
    device = ConsoleDevice(
      ports: configuration.ports, maximumPorts: configuration.maximumPorts, lock: lock,
      remote: context.loop.remote, resizeOrder: configuration.resizeOrder,
      emergencyOutput: { emergencyOutput.write($0) }, trace: configuration.trace,
      onGuestOpen: context.onGuestOpen, onDriver: context.onDriver,
      onConsoleOutput: context.onConsoleOutput)
    notifiers = QueueNotifiers(
      machine: context.machine, router: context.router, loop: context.loop)
    switch configuration.transport {
    case .pci(let interface):
      let slot = try pciSlots.takeSlot(configuration.slot)
      self.slot = slot.number
      let function = VirtioPCIFunction(
        device: device, lock: lock, memory: context.memory,
        platform: .init(
          memorySpace: context.router.memory, portSpace: context.router.ports,
          router: context.messages, interruptLine: slot.interruptLine,
          notifiers: notifiers,
          onFault: Self.note(in: tally, configuration.id, place: "in slot \(slot.number)")),
        options: .init(
          interface: interface, allowedFeatures: configuration.allowedFeatures,
          vectorCount: configuration.vectorCount))
      try pciSlots.insert(function, into: slot, placed: !whileRunning)
      transport = .pci(function)
    case .mmio:
      let place = try pciSlots.takeRegisters()
      slot = nil
      let registers = VirtioMMIODevice(
        device: device, lock: lock, memory: context.memory,
        platform: .init(
          memorySpace: context.router.memory, interruptLine: place.interruptLine,
          notifiers: notifiers,
          onFault: Self.note(
            in: tally, configuration.id, place: "on mmio, number \(place.number)")),
        allowedFeatures: configuration.allowedFeatures)
      try registers.plug(at: place.range)
      transport = .mmio(registers)
    }
    notifiers.device = device
    device.attach()
    loop.add(device)
  }

  /// What it is doing, and what happened on it and its ports.
  var statistics: DeviceStatistics {
    var statistics = device.statistics
    statistics.faultCount = tally.faults.load(ordering: .relaxed)
    return statistics
  }

  /// Counts a fault, and says which device it is of, by the name the user gave it or else by its place.
  private static func note(
    in tally: Tally, _ id: String, place: String
  ) -> @Sendable (QueueFault) -> Void {
    let name = id.isEmpty ? place : id
    return {
      tally.faults.add(1, ordering: .relaxed)
      faultLog.warning("virtio-serial \(name) needs a reset: the guest broke \($0)")
    }
  }

  /// Ends the device; its chardevs live on. The guest may run, and be in the midst of accesses to it.
  func unplug() {
    loop.remove(device)
    device.detach()
    switch transport {
    case .pci(let function): function.unplug()
    case .mmio(let registers): registers.unplug()
    }
  }
}
