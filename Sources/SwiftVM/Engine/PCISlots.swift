import Boot
import Devices
import KVM
import Synchronization
import Virtio

/// There is no room for another device.
enum BackplaneError: Error, CustomStringConvertible {
  case noSlot
  case slotInUse(Int)
  case noRegisters

  var description: String {
    switch self {
    case .noSlot: "the PCI bus has room for \(PCIBus.deviceCount - 1) devices"
    case .slotInUse(let number): "slot \(number) of the PCI bus is in use"
    case .noRegisters: "there is room for \(AddressMap.virtioMMIOCapacity) virtio-mmio devices"
    }
  }
}

/// Where a board's devices are plugged in: the slots of the PCI bus with their interrupt lines and
/// base addresses, and the places of virtio-mmio devices.
struct PCISlots {
  /// A slot of the PCI bus.
  struct Slot {
    let number: Int
    /// The input of the interrupt controllers that its pin is wired to.
    let interrupt: UInt32
    let interruptLine: any InterruptLine
  }

  /// A place for a virtio-mmio device.
  struct Registers {
    let number: Int
    let range: Range<UInt64>
    let interruptLine: any InterruptLine
  }

  private let bus: PCIBus
  private let machine: KVMVirtualMachine
  private var lines: [UInt32: SharedInterruptLine] = [:]
  private var memory = BARAllocator(window: AddressMap.pci32Window)
  private var ports = BARAllocator(window: AddressMap.pciPortWindow)
  private var takenSlots: Set<Int> = [0]
  private let reservedSlots: Set<Int>
  private var nextRegisters = 0

  /// Slot 0 is the host bridge's.
  ///
  /// - Parameter reserved: slots that are given only to who asks for them by number.
  init(bus: PCIBus, machine: KVMVirtualMachine, reserved: Set<Int> = []) {
    self.bus = bus
    self.machine = machine
    reservedSlots = reserved
  }

  /// A slot: the one asked for, else the lowest that is free.
  mutating func takeSlot(_ wanted: Int? = nil) throws(BackplaneError) -> Slot {
    let slots = 0..<PCIBus.deviceCount
    let free = wanted ?? slots.first { !takenSlots.contains($0) && !reservedSlots.contains($0) }
    guard let number = free, slots.contains(number) else { throw .noSlot }
    guard takenSlots.insert(number).inserted else { throw .slotInUse(number) }
    let interrupt = AddressMap.pciInterrupt(device: UInt32(number), pin: 0)
    return Slot(number: number, interrupt: interrupt, interruptLine: lineEnd(interrupt))
  }

  /// Puts a function on the bus. It tells its interrupt, and its BARs are where there is room for them,
  /// as firmware leaves them, or nowhere: then the guest finds a place for them.
  mutating func insert(
    _ function: VirtioPCIFunction, into slot: Slot, placed isPlaced: Bool
  ) throws(PCIBusError) {
    function.route(to: UInt8(truncatingIfNeeded: slot.interrupt))
    if isPlaced {
      function.place(
        memory: memory.allocate(size: function.memorySize),
        ports: function.portCount.flatMap { ports.allocate(size: $0) })
    }
    try bus.add(function, device: slot.number)
  }

  /// Takes what is in the slot off the bus, if the guest has not; another device may have it then.
  mutating func empty(slot: Int) {
    bus.remove(device: slot)
    takenSlots.remove(slot)
  }

  /// The next place for a virtio-mmio device, as the ACPI tables announce it.
  mutating func takeRegisters() throws(BackplaneError) -> Registers {
    guard nextRegisters < AddressMap.virtioMMIOCapacity else { throw .noRegisters }
    defer { nextRegisters += 1 }
    return Registers(
      number: nextRegisters,
      range: AddressMap.virtioMMIORegisters(nextRegisters),
      interruptLine: lineEnd(AddressMap.virtioMMIOInterrupt(nextRegisters)))
  }

  private mutating func lineEnd(_ gsi: UInt32) -> any InterruptLine {
    let line = lines[gsi] ?? SharedInterruptLine(machine.makeLine(gsi: gsi))
    lines[gsi] = line
    return line.makeEnd()
  }
}

/// Places base address registers in a window one after the other, as firmware does before the
/// guest looks.
struct BARAllocator {
  private var next: UInt64
  private let end: UInt64

  init(window: Range<UInt64>) {
    next = window.lowerBound
    end = window.upperBound
  }

  /// An address for a region of `size` bytes, a power of two; nil when the window is full.
  mutating func allocate(size: UInt64) -> UInt64? {
    let address = (next &+ size &- 1) & ~(size &- 1)
    guard address >= next, address <= end, size <= end &- address else { return nil }
    next = address &+ size
    return address
  }
}

/// One input of the interrupt controller that several devices drive: asserted while any of them
/// asserts it, as PCI's INTx lines are wired. Callable on any thread.
final class SharedInterruptLine: Sendable {
  private let line: any InterruptLine
  private let assertions = Mutex(0)

  init(_ line: any InterruptLine) { self.line = line }

  /// One device's end of the line, not asserted.
  func makeEnd() -> any InterruptLine { End(of: self) }

  /// The level changes with the lock held, so that levels reach the line in order.
  fileprivate func change(by difference: Int) {
    assertions.withLock { assertions in
      let wasAsserted = assertions > 0
      assertions += difference
      if wasAsserted != (assertions > 0) { line.setLevel(assertions > 0) }
    }
  }
}

private final class End: InterruptLine {
  private let shared: SharedInterruptLine
  private let isAsserted = Mutex(false)

  init(of shared: SharedInterruptLine) { self.shared = shared }

  func setLevel(_ asserted: Bool) {
    isAsserted.withLock { isAsserted in
      guard asserted != isAsserted else { return }
      isAsserted = asserted
      shared.change(by: asserted ? 1 : -1)
    }
  }
}
