import Chardev
import Devices
import Glibc
import GuestMemory
import Host
import Synchronization
import TestSupport
import Virtio
import VirtioConsole

/// Everything a guest can reach but the processor: memory, ports, the PCI bus with two
/// virtio-serial devices. One is attacked, the other must never notice.
final class AttackedMachine {
  /// One virtio-serial device in its slot.
  struct Slot {
    let number: Int
    /// Where firmware put the memory BAR, and the register that says so.
    let bar: UInt64
    let barRegister: UInt64
    let device: ConsoleDevice
    let function: VirtioPCIFunction
    let chardevs: [ScriptedChardev]
    let notifiers: LoopNotifiers
  }

  /// What the ports of each device are: one console, the rest channels.
  static let portCount = 6
  static let ecam: UInt64 = 0xe000_0000
  /// The legacy registers of the target, where it has them.
  static let legacyPorts: UInt64 = 0x4000
  /// RAM with a hole, as below and above the PCI window of a real machine.
  static let attackersRAM: [Range<UInt64>] = [0..<0x180_0000, 0x1_0000_0000..<0x1_0040_0000]
  /// Where the honest driver of the bystander has its rings: no attack writes there, and none of the
  /// attacker's buffers reaches into it.
  static let bystandersRAM: Range<UInt64> = 0x2_0000_0000..<0x2_0010_0000

  let memory: GuestMemory
  let ports = AddressSpace(name: "ports")
  let space = AddressSpace(name: "memory")
  let bus = PCIBus()
  let loop: EventLoop
  let target: Slot
  let bystander: Slot
  /// How often the guest asked for a reset or power-off, which this machine does not grant.
  let endings = EndingCounter()
  /// Faults reported, by slot.
  let faults = FaultCounter()

  /// - Parameter interface: of the device under attack.
  init(interface: PCIInterface) throws {
    memory = try GuestMemory(regions: Self.attackersRAM + [Self.bystandersRAM])
    loop = try EventLoop()
    let endings = endings
    try ports.add(0x3f8..<0x400, device: UART(interrupt: MockLine(), output: { _ in }) {})
    try ports.add(0x70..<0x72, device: RealTimeClock())
    try ports.add(
      0x600..<0x606,
      device: PowerManagement(interrupt: MockLine(), onPowerOff: { endings.count() }))
    try I8042(onReset: { endings.count() }).attach(to: ports)
    try ports.add(
      0xcf8..<0xd00, device: PCIConfigurationPorts(bus: bus, onReset: { endings.count() }))
    try space.add(Self.ecam..<Self.ecam + ECAM.size, device: ECAM(bus: bus))
    try bus.add(HostBridge(), device: 0)
    let (space, ports, faults) = (space, ports, faults)
    func platform(_ number: Int, _ notifiers: LoopNotifiers) -> VirtioPCIFunction.Platform {
      .init(
        memorySpace: space, portSpace: ports, router: MockRouter(), interruptLine: MockLine(),
        notifiers: notifiers, onFault: { _ in faults.count(slot: number) })
    }
    let notifiers = [LoopNotifiers(remote: loop.remote), LoopNotifiers(remote: loop.remote)]
    target = Self.makeSlot(
      1, interface, loop: loop, memory: memory, platform(1, notifiers[0]), notifiers[0])
    bystander = Self.makeSlot(
      2, .modern, loop: loop, memory: memory, platform(2, notifiers[1]), notifiers[1])
    for slot in [target, bystander] {
      try bus.add(slot.function, device: slot.number)
      slot.device.attach()
    }
  }

  private static func makeSlot(
    _ number: Int, _ interface: PCIInterface, loop: EventLoop, memory: GuestMemory,
    _ platform: VirtioPCIFunction.Platform, _ notifiers: LoopNotifiers
  ) -> Slot {
    let chardevs = (0..<portCount).map { _ in ScriptedChardev() }
    let lock = DeviceLock()
    let device = ConsoleDevice(
      ports: chardevs.enumerated().map { index, chardev in
        (PortConfiguration(name: "port.\(index)", isConsole: index == 0), chardev)
      },
      maximumPorts: 31, lock: lock, remote: loop.remote, emergencyOutput: { _ in })
    notifiers.device = device
    let function = VirtioPCIFunction(
      device: device, lock: lock, memory: memory, platform: platform,
      options: .init(interface: interface))
    let bar = 0xc000_0000 + UInt64(number) * 0x10_0000
    function.place(memory: bar, ports: legacyPorts)
    return Slot(
      number: number, bar: bar, barRegister: interface.hasLegacy ? 0x20 : 0x10, device: device,
      function: function, chardevs: chardevs,
      notifiers: notifiers)
  }

  /// Plugs back in what was unplugged of the target, and throws away what its clients have sent and
  /// no one has read.
  func bringBackPorts() {
    for number in 1..<UInt32(Self.portCount) {
      _ = try? target.device.addPort(
        PortConfiguration(number: number, name: "port.\(number)"),
        chardev: target.chardevs[Int(number)])
    }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    bytes.withUnsafeMutableBytes { buffer in
      var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
      withUnsafeMutablePointer(to: &vector) { pointer in
        let vectors = UnsafeBufferPointer(start: UnsafePointer(pointer), count: 1)
        for chardev in target.chardevs {
          chardev.readLimit = .max
          if !chardev.isConnected { chardev.connect() }
          while !chardev.outgoing.isEmpty, case .transferred = chardev.read(into: vectors) {}
        }
      }
    }
  }

  /// Lets the I/O thread's work run, as much as is there now.
  func settle() {
    for _ in 0..<8 { loop.turn(timeoutMilliseconds: 0) }
  }
}

/// Takes notifications to the loop, as ioeventfds do.
final class LoopNotifiers: QueueNotifierBinding, @unchecked Sendable {
  private let remote: LoopHandle
  private let rung = Mutex<Set<Int>>([])
  weak var device: ConsoleDevice?

  init(remote: LoopHandle) { self.remote = remote }

  func place(_ register: NotifyRegister, at address: UInt64?) {}

  func notify(queue: Int, through register: NotifyRegister) {
    guard rung.withLock({ $0.insert(queue).inserted }) else { return }
    remote.post { [weak self] in
      guard let self else { return }
      _ = rung.withLock { $0.remove(queue) }
      device?.queueNotified(queue)
    }
  }
}

/// Counts the guest's attempts to end the machine.
final class EndingCounter: Sendable {
  private let number = Mutex(0)
  func count() { number.withLock { $0 += 1 } }
  var value: Int { number.withLock { $0 } }
}

/// Counts faults by slot.
final class FaultCounter: Sendable {
  private let numbers = Mutex<[Int: Int]>([:])
  func count(slot: Int) { numbers.withLock { $0[slot, default: 0] += 1 } }
  func value(slot: Int) -> Int { numbers.withLock { $0[slot, default: 0] } }
}
