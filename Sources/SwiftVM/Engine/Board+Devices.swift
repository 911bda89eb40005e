import Devices
import VirtioConsole

// Devices that come and go while the guest runs.
extension Board {
  /// Plugs a device in, which the guest hears of. Its chardevs are running.
  func add(_ device: MachineConfiguration.ConsoleDevice, isPaused: Bool) throws {
    let console = try PluggedConsole(
      device, into: &pciSlots, context, whileRunning: true)
    if isPaused { console.device.pause() }
    consoles.append(console)
    if let slot = console.slot { platform.hotPlug.slotFilled(slot) }
  }

  /// Asks the guest to let a device go.
  func requestRemoval(ofDevice index: Int) {
    if let slot = consoles[index].slot { platform.hotPlug.requestRemoval(ofSlot: slot) }
  }

  /// Takes a device away for good, whether or not the guest uses it.
  func remove(device index: Int) {
    let console = consoles.remove(at: index)
    console.unplug()
    if let slot = console.slot { pciSlots.empty(slot: slot) }
  }

  /// The slot of each device; nil for one on mmio.
  var slots: [Int?] { consoles.map(\.slot) }

  /// What is on the PCI bus, by ascending slot.
  var pciFunctions: [(slot: Int, header: PCIFunctionState)] {
    (0..<PCIBus.deviceCount).compactMap { slot in
      platform.bus.function(device: slot).map { (slot, $0.header) }
    }
  }
}
