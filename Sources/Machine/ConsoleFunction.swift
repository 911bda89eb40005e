import Devices
import GuestMemory
import Host
import KVM
import Virtio
import VirtioSerial

/// One virtio-serial device in its PCI slot, with its doorbells: what a board plugs in and out.
/// Belongs to the loop's thread.
final class ConsoleFunction {
  private static let faultLog = RateLimitedLog()

  let device: SerialDevice
  private let function: VirtioPCIFunction
  private let doorbells: Doorbells

  init(
    _ configuration: MachineConfiguration.ConsoleDevice, slot: Int, loop: EventLoop,
    memory: GuestMemory, machine: KVMVirtualMachine, messages: any MSIRouter,
    pin: SharedInterruptLine, router: ExitRouter, emergencyOutput: EmergencyOutput
  ) {
    let lock = DeviceLock()
    device = SerialDevice(
      ports: configuration.ports, maximumPorts: configuration.maximumPorts, lock: lock,
      remote: loop.remote, emergencyOutput: { emergencyOutput.write($0) })
    doorbells = Doorbells(machine: machine, loop: loop)
    let name = "virtio-serial in slot \(slot)"
    function = VirtioPCIFunction(
      device: device, lock: lock, memory: memory,
      platform: .init(
        memorySpace: router.memory, router: messages,
        interruptLine: pin.makeEnd(), doorbells: doorbells,
        onFault: { Self.faultLog.warning("\(name) needs a reset: the guest broke \($0)") }))
    doorbells.device = device
  }

  /// Puts the function on the bus, its BAR where the allocator says.
  func plug(into bus: PCIBus, slot: Int, bars: inout BARAllocator) throws(PCIBusError) {
    if let address = bars.allocate(size: function.barSize) { function.place(at: address) }
    try bus.add(function, device: slot)
    device.attach()
  }

  /// Ends the device; its chardevs live on. No vCPU runs any more.
  func unplug() {
    device.detach()
    function.unplug()
    doorbells.close()
  }
}
