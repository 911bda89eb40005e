import Boot
import Devices
import KVM
import VirtioConsole

/// What every PC has: serial port, clock, reset and power registers, the PCI bus with its host
/// bridge, each at its place in `AddressMap`; and the panic device and debug exit where configured.
struct PlatformDevices {
  let bus = PCIBus()
  let power: PowerManagement
  let hotPlug: ACPIPCIHotplug

  init(
    _ configuration: VirtualMachineConfiguration, bus ioBus: IOBus, machine: KVMVirtualMachine,
    console: SerialConsole, faults: KernelFaultRecord, events: GuestEventMailbox
  ) throws {
    let onReset: @Sendable () -> Void = { events.ended(by: .reset) }
    let systemControl = SharedInterruptLine(
      machine.makeLine(gsi: AddressMap.systemControlInterrupt))
    power = PowerManagement(
      interrupt: systemControl.makeEnd(), onPowerOff: { events.ended(by: .powerOff) })
    hotPlug = ACPIPCIHotplug(interrupt: systemControl.makeEnd()) { [bus] slot in
      // At once, so that the guest does not find it again.
      guard AddressMap.hotPlugSlotNumbers.contains(slot), bus.remove(device: slot) != nil else {
        return
      }
      events.ejected(slot: slot)
    }
    let uart = console.makeUART(interrupt: machine.makeLine(gsi: AddressMap.com1Interrupt))
    let ports = ioBus.ports
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
      let panic = PVPanic {
        faults.note(.panic)
        events.panicked($0)
      }
      try ports.add(AddressMap.panic, device: panic)
    }
    if let debugExit = configuration.debugExit {
      let device = ISADebugExit { events.ended(by: .debugExit(value: $0)) }
      try ports.add(debugExit.ports, device: device)
    }
    try ioBus.memory.add(AddressMap.ecam, device: ECAM(bus: bus))
    try bus.add(HostBridge(), device: 0)
  }
}
