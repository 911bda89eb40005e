import Boot
import CKVM
import Devices
import GuestMemory
import Host

/// One virtual machine of KVM: its memory slots, interrupt controllers and in-kernel event paths.
///
/// Keeps its guest memory mapped as long as it lives. Callable on any thread.
package final class KVMVirtualMachine: Sendable {
  private let descriptor: FileDescriptor
  private let hypervisor: Hypervisor
  /// For processors, which look up guest instructions.
  let memory: GuestMemory
  private let hasInterruptControllers: Bool
  private let ioeventfdMatchesAnyLength: Bool

  /// Creates the machine with `memory` in place, in the order KVM wants (interrupt controllers
  /// before any vCPU).
  ///
  /// - Parameter hasInterruptControllers: whether the kernel emulates local APICs, IOAPIC, both 8259s
  ///   and the 8254 timer. Without them `hlt` ends in an exit.
  package init(
    hypervisor: Hypervisor, memory: GuestMemory, hasInterruptControllers: Bool
  ) throws(SystemError) {
    self.hypervisor = hypervisor
    self.memory = memory
    self.hasInterruptControllers = hasInterruptControllers
    ioeventfdMatchesAnyLength = hypervisor.value(of: KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0
    descriptor = try hypervisor.createVM()
    // First: after the interrupt controllers have changed the machine's buses, KVM would wait here
    // for a grace period of milliseconds.
    try setMemorySlots()
    if hasInterruptControllers { try createInterruptControllers() }
  }

  /// Creates the processor with APIC id `id`, its CPUID fitted to a machine of `count` processors.
  ///
  /// With interrupt controllers in the kernel all but number 0 wait for the guest's start-up
  /// interrupt; number 0 needs `VCPU.setInitialState` before it runs.
  package func createVCPU(id: Int, of count: Int) throws(SystemError) -> VCPU {
    var cpuid = try hypervisor.supportedCPUID()
    cpuid.fit(
      processor: id, of: count,
      tscDeadline: hypervisor.hasDeadlineTimer && hasInterruptControllers)
    let result = ckvm_create_vcpu(descriptor.rawValue, UInt(bitPattern: id))
    let vcpu = try VCPU(
      owning: FileDescriptor(owning: try checked("KVM_CREATE_VCPU", result)),
      mappingSize: hypervisor.vcpuMappingSize, id: id, machine: self)
    try vcpu.setUp(cpuid: cpuid, hasLocalAPIC: hasInterruptControllers)
    return vcpu
  }

  /// Drives a pin of the interrupt controllers (KVM_IRQ_LINE).
  package func setIRQLine(gsi: UInt32, level: Bool) throws(SystemError) {
    var line = kvm_irq_level()
    line.irq = gsi
    line.level = level ? 1 : 0
    try checked("KVM_IRQ_LINE", ckvm_irq_line(descriptor.rawValue, &line))
  }

  /// The same pin as an object for a device to hold.
  package func makeLine(gsi: UInt32) -> IRQLine { IRQLine(machine: self, gsi: gsi) }

  /// An address where a guest's write signals an eventfd without an exit to this process.
  package enum NotifyAddress: Hashable, Sendable {
    /// A guest-physical address.
    case mmio(UInt64)
    /// An I/O port.
    case port(UInt16)
  }

  /// Which of a guest's writes to a notify address signals.
  package struct NotifyValue: Hashable, Sendable {
    /// What is written.
    package let value: UInt64
    /// In bytes: 1, 2, 4 or 8.
    package let width: Int

    /// Writes of `value` in `width` bytes.
    package init(_ value: UInt64, width: Int) {
      self.value = value
      self.width = width
    }
  }

  /// Signals `eventFD` on every guest write that starts at `address`, or on those of one value; or no
  /// longer, for the same eventfd, address and value.
  ///
  /// Without a value a write of any width matches; before Linux 4.4 only one of 2 bytes.
  ///
  /// - Throws: EEXIST if the address has one already for these writes.
  package func setIOEventFD(
    _ eventFD: EventFD, at address: NotifyAddress, value: NotifyValue? = nil, isAssigned: Bool
  ) throws(SystemError) {
    var argument = kvm_ioeventfd()
    argument.fd = eventFD.rawValue
    argument.flags = isAssigned ? 0 : CKVM_IOEVENTFD_DEASSIGN
    argument.len = ioeventfdMatchesAnyLength ? 0 : 2
    if let value {
      argument.flags |= CKVM_IOEVENTFD_DATAMATCH
      argument.datamatch = value.value
      argument.len = UInt32(value.width)
    }
    switch address {
    case .mmio(let address):
      argument.addr = address
    case .port(let port):
      argument.addr = UInt64(port)
      argument.flags |= CKVM_IOEVENTFD_PIO
    }
    try checked("KVM_IOEVENTFD", ckvm_ioeventfd(descriptor.rawValue, &argument))
  }

  /// Sends one message-signalled interrupt (KVM_SIGNAL_MSI).
  func signalMSI(address: UInt64, data: UInt32) throws(SystemError) {
    var message = kvm_msi()
    message.address_lo = UInt32(truncatingIfNeeded: address)
    message.address_hi = UInt32(truncatingIfNeeded: address >> 32)
    message.data = data
    try checked("KVM_SIGNAL_MSI", ckvm_signal_msi(descriptor.rawValue, &message))
  }

  /// Raises interrupt `gsi`, whose route is set, each time `eventFD` is signalled, or no longer.
  func setIRQFD(_ eventFD: EventFD, gsi: UInt32, isAssigned: Bool) throws(SystemError) {
    var argument = kvm_irqfd()
    argument.fd = UInt32(bitPattern: eventFD.rawValue)
    argument.gsi = gsi
    argument.flags = isAssigned ? 0 : CKVM_IRQFD_DEASSIGN
    try checked("KVM_IRQFD", ckvm_irqfd(descriptor.rawValue, &argument))
  }

  /// Replaces the whole table of interrupt routes.
  func setRouting(_ entries: [kvm_irq_routing_entry]) throws(SystemError) {
    let table = TrailingArray<kvm_irq_routing, kvm_irq_routing_entry>(capacity: entries.count)
    table.header.pointee.nr = UInt32(entries.count)
    for (index, entry) in entries.enumerated() { table.elements[index] = entry }
    try checked("KVM_SET_GSI_ROUTING", ckvm_set_gsi_routing(descriptor.rawValue, table.header))
  }

  /// The largest number of routes, and of GSIs.
  var maximumRouteCount: Int { hypervisor.value(of: KVM_CAP_IRQ_ROUTING) }
}

extension KVMVirtualMachine {
  /// Intel's KVM keeps the pages of `AddressMap.kvmReserved` for itself.
  private func createInterruptControllers() throws(SystemError) {
    let vm = descriptor.rawValue
    var identityMap = AddressMap.kvmIdentityMap
    try checked("KVM_SET_IDENTITY_MAP_ADDR", ckvm_set_identity_map_addr(vm, &identityMap))
    try checked("KVM_SET_TSS_ADDR", ckvm_set_tss_addr(vm, UInt(AddressMap.kvmTSS)))
    try checked("KVM_CREATE_IRQCHIP", ckvm_create_irqchip(vm))
    try setRouting(InterruptRouter.legacyRoutes)
    var timer = kvm_pit_config()
    // Port 0x61 is answered by the kernel too: Linux calibrates its clock with the timer's gate.
    timer.flags = UInt32(KVM_PIT_SPEAKER_DUMMY)
    try checked("KVM_CREATE_PIT2", ckvm_create_pit2(vm, &timer))
    try setLevelInterrupts()
  }

  /// Sets the edge/level control registers of both 8259s, as firmware would; their initialization leaves
  /// them alone.
  private func setLevelInterrupts() throws(SystemError) {
    for (chip, first) in [(KVM_IRQCHIP_PIC_MASTER, UInt32(0)), (KVM_IRQCHIP_PIC_SLAVE, 8)] {
      var state = kvm_irqchip()
      state.chip_id = UInt32(chip)
      try checked("KVM_GET_IRQCHIP", ckvm_get_irqchip(descriptor.rawValue, &state))
      for interrupt in AddressMap.levelInterrupts where first..<first + 8 ~= interrupt {
        state.chip.pic.elcr |= 1 << UInt8(interrupt - first)
      }
      try checked("KVM_SET_IRQCHIP", ckvm_set_irqchip(descriptor.rawValue, &state))
    }
  }

  private func setMemorySlots() throws(SystemError) {
    for (slot, region) in memory.regions.enumerated() {
      var argument = kvm_userspace_memory_region()
      argument.slot = UInt32(slot)
      argument.guest_phys_addr = region.guestAddress
      argument.memory_size = region.size
      argument.userspace_addr = UInt64(UInt(bitPattern: region.hostAddress))
      try checked(
        "KVM_SET_USER_MEMORY_REGION", ckvm_set_user_memory_region(descriptor.rawValue, &argument))
    }
  }
}

/// One input pin of the machine's interrupt controllers, for a device to hold. Callable on any thread.
package final class IRQLine: InterruptLine {
  private let machine: KVMVirtualMachine
  private let gsi: UInt32

  init(machine: KVMVirtualMachine, gsi: UInt32) {
    self.machine = machine
    self.gsi = gsi
  }

  /// Drives the pin: high while asserted. An edge-triggered pin interrupts on each rise.
  package func setLevel(_ asserted: Bool) {
    // Fails only for a pin that does not exist or a machine without controllers. A device cannot use
    // that error: the pin is not connected.
    try? machine.setIRQLine(gsi: gsi, level: asserted)
  }
}
