import Boot
import Chardev
import Devices
import Glibc
import GuestMemory
import Host
import KVM
import Virtio
import VirtioConsole

/// One life of the guest, from power-on to power-off or reset: memory, KVM's machine, devices and
/// vCPU threads. A reset throws the board away and builds another, so nothing of the old guest is
/// left; the chardevs are not the board's and stay connected.
///
/// Belongs to the loop's thread.
final class Board {
  var consoles: [PluggedConsole]
  var pciSlots: PCISlots
  let context: PluggedConsole.MachineContext
  let platform: PlatformDevices
  private let processors: [VCPUThread]
  private let serial: SerialConsole

  /// Builds everything and loads the guest; no vCPU runs yet.
  ///
  /// - Parameters:
  ///   - onNews: called for what the guest may do as often as it likes; on the loop's thread.
  ///   - onEvent: called for all else; on vCPU threads.
  ///   - faults: what the guest's kernel tells of itself is noted there, at once.
  ///   - onConsoleOutput: told on the loop's thread that a virtconsole has printed something; must
  ///     not call the board.
  init(
    _ configuration: MachineConfiguration, hypervisor: Hypervisor, loop: EventLoop,
    serial: SerialConsole, emergencyOutput: EmergencyOutput, timings: Timings,
    faults: KernelFaultRecord, onConsoleOutput: @escaping @Sendable () -> Void,
    onNews: @escaping @Sendable (GuestEvent) -> Void,
    onEvent: @escaping @Sendable (GuestEvent) -> Void
  ) throws {
    self.serial = serial
    let memory = try GuestMemory(
      regions: MemoryMap.ram(size: configuration.memorySize),
      usesHugePages: configuration.usesHugePages)
    let machine = try KVMVirtualMachine(
      hypervisor: hypervisor, memory: memory,
      hasInterruptControllers: true)
    timings.mark("KVM machine created")
    try Self.load(configuration, into: memory)
    timings.mark("kernel and initrd loaded")

    let router = IOBus()
    let news = GuestEventMailbox(remote: loop.remote, tell: onNews)
    platform = try PlatformDevices(
      configuration, router: router, machine: machine, console: serial, news: news,
      onPanic: {
        faults.note(.panic)
        news.panicked($0)
      }, onEject: { onEvent(.ejected(slot: $0)) })
    context = PluggedConsole.MachineContext(
      loop: loop, memory: memory, machine: machine,
      messages: InterruptRouter(machine: machine), router: router,
      emergencyOutput: emergencyOutput,
      onGuestOpen: { news.portChanged(id: $0.id, isOpen: $1) }, onDriver: { news.driverCame() },
      onConsoleOutput: {
        faults.note($0)
        onConsoleOutput()
      })
    var pciSlots = PCISlots(
      bus: platform.bus, machine: machine,
      reserved: Set<Int>(configuration.consoleDevices.compactMap(\.slot)))
    let devices = MachineConfiguration.ConsoleDevice.sharingVectors(configuration.consoleDevices)
    var consoles: [PluggedConsole] = []
    for device in devices {
      consoles.append(try PluggedConsole(device, into: &pciSlots, context))
    }
    self.consoles = consoles
    self.pciSlots = pciSlots
    timings.mark("devices made")
    processors = try (0..<configuration.cpuCount).map { id in
      let processor = try machine.createVCPU(id: id, of: configuration.cpuCount)
      if id == 0 { try processor.setInitialState(configuration.bootPlan.entry) }
      return VCPUThread(vcpu: processor, bus: router) { end in
        if let event = GuestEvent(end) { onEvent(event) }
      }
    }
    timings.mark("vCPUs made")
  }

  /// Lets the guest run.
  func powerOn() throws(SystemError) {
    for processor in processors.dropFirst() { try processor.start() }
    try processors.first?.start()
  }

  /// Stops the guest for good, paused or not. Every vCPU has left it when this returns; the devices
  /// may still pass on what the guest has handed over.
  func stopProcessors() {
    serial.letWritersGo()
    for processor in processors { processor.requestStop() }
    for processor in processors { processor.join() }
    for console in consoles { console.device.resume() }
  }

  /// Stops the guest for a while, and the devices with it. Every vCPU has left it when this returns.
  /// Before `powerOn`, no vCPU begins.
  func pause() {
    pause(processors[...], briefly: false)
    for console in consoles { console.device.pause() }
  }

  /// Lets a paused guest go on.
  func resume() {
    for console in consoles { console.device.resume() }
    resume(processors[...])
  }

  private func pause(_ processors: ArraySlice<VCPUThread>, briefly: Bool) {
    serial.letWritersGo()
    for processor in processors { processor.requestPause(briefly: briefly) }
    for processor in processors { processor.waitUntilPaused() }
  }

  private func resume(_ processors: ArraySlice<VCPUThread>) {
    serial.holdWriters()
    for processor in processors { processor.resume() }
  }

  /// Whether every processor has halted with interrupts off, or has not been started: nothing can
  /// wake any of them. For a guest that runs; it stands still for a moment.
  func isHaltedForGood() -> Bool {
    // Mostly the first one tells, and the others are not disturbed.
    isHaltedForGood(processors.prefix(1)) && isHaltedForGood(processors[...])
  }

  private func isHaltedForGood(_ processors: ArraySlice<VCPUThread>) -> Bool {
    pause(processors, briefly: true)
    defer { resume(processors) }
    return processors.allSatisfy(\.isHaltedForGood)
  }

  /// Whether the guest has handed over bytes that their host ends have not taken; writes what they
  /// take now.
  ///
  /// - Parameter isLast: the board's life ends, and nothing is written after this.
  func hasUnsentBytes(isLast: Bool = false) -> Bool {
    consoles.map { $0.device.flush(isLast: isLast) }.contains(true)
  }

  /// What host ends have taken until now, and what of it waits for its readers.
  var progress: (taken: UInt64, unread: Int) {
    consoles.reduce((taken: 0, unread: 0)) {
      ($0.taken &+ $1.device.bytesToHost, $0.unread &+ $1.device.unreadByteCount)
    }
  }

  /// Ends the devices, once no vCPU runs.
  func dismantle() {
    for console in consoles { console.unplug() }
  }

  /// The threads that run the vCPUs, by their numbers; nil for one that does not run.
  var processorThreads: [pid_t?] { processors.map(\.number) }

  /// What the devices and their ports are doing, and what happened on them.
  var statistics: [DeviceStatistics] { consoles.map(\.statistics) }

  /// Adds a port to a device, for this life of the guest.
  func addPort(_ port: MachineConfiguration.Port, toDevice device: Int) throws(PortError) {
    try consoles[device].device.addPort(port.configuration, chardev: port.chardev)
  }

  /// Removes a port of a device; returns what went through it. That there is one is known.
  func removePort(_ number: UInt32, ofDevice device: Int) -> PortStatistics? {
    try? consoles[device].device.removePort(number: number)
  }

  /// Gives a port of a device another host end, for this life of the guest.
  func exchangeChardev(
    ofPort number: UInt32, ofDevice device: Int, for chardev: any Chardev
  ) {
    consoles[device].device.exchangeChardev(ofPort: number, for: chardev)
  }

  /// Presses the power button. Callable on any thread.
  func pressPowerButton() { platform.power.pressPowerButton() }

  private static func load(
    _ configuration: MachineConfiguration, into memory: GuestMemory
  ) throws {
    let files = configuration.bootFiles
    for placement in configuration.bootPlan.placements {
      switch placement.source {
      case .kernelFile(let range):
        try files.kernel.read(
          at: range.lowerBound, into: memory.buffer(at: placement.address, count: range.count))
      case .initrdFile: try files.readInitrds(into: memory, at: placement.address)
      case .bytes(let bytes):
        try bytes.withUnsafeBytes { try memory.write($0, at: placement.address) }
      }
    }
    try files.checkUnchanged()
  }

  /// Plugs a device in, and tells the guest. Its chardevs are running.
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
