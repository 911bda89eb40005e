import Boot
import Devices
import KVM

/// What every PC has: serial port, clock, reset and power registers, the PCI bus with its host
/// bridge, each at its place in `AddressMap`; and what this one was given besides.
struct PlatformDevices {
  let bus = PCIBus()
  let power: PowerManagement
  let hotPlug: ACPIPCIHotplug

  init(
    _ configuration: MachineConfiguration, router: IOBus, machine: KVMVirtualMachine,
    console: SerialConsole, news: GuestEventMailbox,
    onPanic: @escaping @Sendable (PVPanic.Event) -> Void,
    onEject: @escaping @Sendable (Int) -> Void
  ) throws {
    let onReset: @Sendable () -> Void = { news.ended(by: .reset) }
    let systemControl = SharedInterruptLine(
      machine.makeLine(gsi: AddressMap.systemControlInterrupt))
    power = PowerManagement(
      interrupt: systemControl.makeEnd(), onPowerOff: { news.ended(by: .powerOff) })
    hotPlug = ACPIPCIHotplug(interrupt: systemControl.makeEnd()) { [bus] slot in
      // At once, so that the guest does not find it again.
      guard AddressMap.hotPlugSlotNumbers.contains(slot), bus.remove(device: slot) != nil else {
        return
      }
      onEject(slot)
    }
    let uart = console.makeUART(interrupt: machine.makeLine(gsi: AddressMap.com1Interrupt))
    let ports = router.ports
    try ports.add(AddressMap.com1, device: uart)
    try ports.add(AddressMap.rtc, device: RealTimeClock())
    try ports.add(
      AddressMap.pm1aEvent.lowerBound..<AddressMap.pm1aControl.upperBound, device: power)
    try ports.add(
      AddressMap.gpe0.lowerBound..<AddressMap.hotPlugSlots.upperBound, device: hotPlug)
    try I8042(onReset: onReset).attach(to: ports)
    try ports.add(
      AddressMap.pciConfiguration, device: PCIConfigurationPorts(bus: bus, onReset: onReset))
    if configuration.hasPanicDevice {
      try ports.add(AddressMap.panic, device: PVPanic(onEvent: onPanic))
    }
    if let range = configuration.debugExit {
      try ports.add(range, device: ISADebugExit { news.ended(by: .debugExit(value: $0)) })
    }
    try router.memory.add(AddressMap.ecam, device: ECAM(bus: bus))
    try bus.add(HostBridge(), device: 0)
  }
}
