import Boot
import Devices
import GuestMemory
import Host
import KVM
import VirtioConsole

/// One life of the guest, from power-on to power-off or reset: memory, KVM's machine, platform devices
/// and vCPU threads.
///
/// A reset throws the board away and builds another, so nothing of the old guest is left. The console
/// devices are plugged into each board in turn. Belongs to the I/O thread.
final class Board {
  let loop: EventLoop
  let memory: GuestMemory
  let machine: KVMVirtualMachine
  let bus = IOBus()
  let messages: InterruptRouter
  let events: GuestEventMailbox
  let emergencyOutput: EmergencyOutput
  /// Told that a console has printed something, and what its kernel says of itself there; called with the
  /// device locked.
  let onConsoleOutput: @Sendable (KernelFault) -> Void
  var pciSlots: PCISlots
  private let platform: PlatformDevices
  private let serial: SerialConsole
  private var processors: [VCPUThread] = []

  /// Builds everything, plugs the devices in and loads the guest; no vCPU runs yet.
  ///
  /// - Parameters:
  ///   - faults: what the guest's kernel tells of itself is noted there, at once.
  ///   - onConsoleOutput: told on the I/O thread that a console device has printed something; must not
  ///     call the board.
  init(
    _ configuration: VirtualMachineConfiguration, _ image: BootImage, devices: [MachineDevice],
    hypervisor: Hypervisor, loop: EventLoop, serial: SerialConsole,
    emergencyOutput: EmergencyOutput, timings: Timings, faults: KernelFaultRecord,
    events: GuestEventMailbox, onConsoleOutput: @escaping @Sendable () -> Void
  ) throws {
    self.loop = loop
    self.serial = serial
    self.events = events
    self.emergencyOutput = emergencyOutput
    self.onConsoleOutput = {
      faults.note($0)
      onConsoleOutput()
    }
    memory = try GuestMemory(
      regions: MemoryMap.ram(size: configuration.memorySize),
      usesHugePages: configuration.usesHugePages)
    machine = try KVMVirtualMachine(
      hypervisor: hypervisor, memory: memory,
      hasInterruptControllers: true)
    timings.mark("KVM machine created")
    try image.load(into: memory)
    timings.mark("kernel and initrd loaded")
    messages = InterruptRouter(machine: machine)
    platform = try PlatformDevices(
      configuration, bus: bus, machine: machine, console: serial, faults: faults, events: events)
    pciSlots = PCISlots(
      bus: platform.bus, machine: machine, reserved: Set<Int>(devices.compactMap(\.slot)))
    let vectorCount = devices.map(\.configuration).defaultVectorCount
    for device in devices {
      try device.plug(into: self, defaultVectorCount: vectorCount, isRunning: false)
    }
    timings.mark("devices made")
    processors = try (0..<configuration.cpuCount).map { id in
      let processor = try machine.createVCPU(id: id, of: configuration.cpuCount)
      if id == 0 { try processor.setInitialState(image.entry) }
      return VCPUThread(vcpu: processor, bus: bus) { end in
        if let event = GuestEvent(end) { events.ended(by: event) }
      }
    }
    timings.mark("vCPUs made")
  }

  // MARK: The processors

  /// Lets the guest run.
  func powerOn() throws(SystemError) {
    for processor in processors.dropFirst() { try processor.start() }
    try processors.first?.start()
  }

  /// Stops the guest for good, paused or not. Each vCPU has left it when this returns; the devices may
  /// still pass on what the guest has handed over.
  func stop() {
    serial.letWritersGo()
    for processor in processors { processor.requestStop() }
    for processor in processors { processor.join() }
  }

  /// Stops the guest for a while. Each vCPU has left it when this returns. Before `powerOn`, no vCPU
  /// begins.
  func pause() { pause(processors[...], briefly: false) }

  /// Lets a paused guest go on.
  func resume() { resume(processors[...]) }

  /// Whether each processor has halted with interrupts off, or has not been started: nothing can wake any
  /// of them. For a guest that runs; it stands still for a moment.
  var isHaltedForGood: Bool {
    // Mostly the first one tells, and the others are not disturbed.
    isHaltedForGood(processors.prefix(1)) && isHaltedForGood(processors[...])
  }

  /// The threads that run the vCPUs, by their numbers; nil for one that does not run.
  var processorThreads: [Int32?] { processors.map(\.number) }

  private func pause(_ processors: ArraySlice<VCPUThread>, briefly: Bool) {
    serial.letWritersGo()
    for processor in processors { processor.requestPause(briefly: briefly) }
    for processor in processors { processor.waitUntilPaused() }
  }

  private func resume(_ processors: ArraySlice<VCPUThread>) {
    serial.holdWriters()
    for processor in processors { processor.resume() }
  }

  private func isHaltedForGood(_ processors: ArraySlice<VCPUThread>) -> Bool {
    pause(processors, briefly: true)
    defer { resume(processors) }
    return processors.allSatisfy(\.isHaltedForGood)
  }

  // MARK: The platform

  /// Presses the power button.
  func pressPowerButton() { platform.power.pressPowerButton() }

  /// Tells the guest of a device that was plugged in while it runs.
  func announce(_ device: MachineDevice) {
    if let slot = device.slot { platform.hotPlug.slotFilled(slot) }
  }

  /// Asks the guest to let a device go.
  func requestRemoval(of device: MachineDevice) {
    if let slot = device.slot { platform.hotPlug.requestRemoval(ofSlot: slot) }
  }

  /// What is on the PCI bus, by ascending slot.
  var pciFunctions: [(slot: Int, header: PCIFunctionState)] {
    (0..<PCIBus.deviceCount).compactMap { slot in
      platform.bus.function(device: slot).map { (slot, $0.header) }
    }
  }
}
