import CKVM
import Devices
import Glibc
import GuestMemory
import Host
import Synchronization

/// One virtual processor.
///
/// Belongs to one thread at a time: the one that sets it up, then the one that runs it. Only
/// `requestExit` may be called from others.
package final class VCPU: @unchecked Sendable {
  /// The APIC id, counting from 0.
  package let id: Int

  private let descriptor: FileDescriptor
  private let shared: UnsafeMutableRawPointer
  private let sharedSize: Int
  /// Keeps the guest's memory mapped while the kernel may run this processor.
  private let machine: KVMVirtualMachine

  /// Takes over a vCPU's descriptor and maps its shared page.
  init(
    owning descriptor: consuming FileDescriptor, mappingSize: Int, id: Int,
    machine: KVMVirtualMachine
  ) throws(SystemError) {
    let mapping = mmap(
      nil, mappingSize, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.rawValue, 0)
    guard let mapping, mapping != MAP_FAILED else {
      throw SystemError("mmap of a vCPU", errno: errno)
    }
    self.descriptor = descriptor
    self.id = id
    self.machine = machine
    shared = mapping
    sharedSize = mappingSize
  }

  deinit { munmap(shared, sharedSize) }

  /// The vCPU's descriptor, for the calls that set it up.
  var rawValue: Int32 { descriptor.rawValue }

  private var state: UnsafeMutablePointer<kvm_run> {
    shared.assumingMemoryBound(to: kvm_run.self)
  }

  /// Why `run` returned.
  package enum Exit: Equatable, Sendable {
    /// A device has answered a port or memory-mapped access.
    case handled
    /// A signal or a request to leave; any access pending before is finished.
    case interrupted
    /// The guest cannot go on.
    case ended(VCPUEnd)
  }

  /// Runs the guest until something needs attention; the devices on `bus` answer port and memory-mapped
  /// accesses before this returns.
  ///
  /// The answer reaches the guest, and a write is over, only with the next call.
  package func run(_ bus: IOBus) -> Exit {
    switch ckvm_run(descriptor.rawValue) {
    case 0...: break
    // EAGAIN: a processor that waited for its start-up interrupt has got it.
    case -EINTR, -EAGAIN: return .interrupted
    case let result: return .ended(.hostError(SystemError("KVM_RUN", errno: -result)))
    }
    switch Int32(bitPattern: state.pointee.exit_reason) {
    case KVM_EXIT_IO:
      answerPort(bus.ports)
      return .handled
    case KVM_EXIT_MMIO:
      answerMMIO(bus.memory)
      return .handled
    case let reason:
      return rareExit(reason)
    }
  }

  /// Makes the current or next `run` return `.interrupted` before it executes guest code, provided
  /// a signal follows if the vCPU's thread is inside it. Lasts until `withdrawExitRequest`.
  package func requestExit() { immediateExit(1) }

  /// Lets `run` enter the guest again.
  package func withdrawExitRequest() { immediateExit(0) }

  /// Tells the guest's watchdogs that a pause was no lock-up (KVM_KVMCLOCK_CTRL). Without effect for
  /// a guest that does not use KVM's clock.
  func excusePause() { _ = ckvm_kvmclock_ctrl(descriptor.rawValue) }

  /// Whether only another processor or the host can wake it: it has halted with interrupts off, or
  /// waits to be started. Only for a processor that is out of the guest.
  var isHaltedForGood: Bool {
    var state = kvm_mp_state()
    var registers = kvm_regs()
    guard ckvm_get_mp_state(rawValue, &state) == 0, ckvm_get_regs(rawValue, &registers) == 0 else {
      return false
    }
    switch Int32(bitPattern: state.mp_state) {
    case KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED: return true
    case KVM_MP_STATE_HALTED: return registers.rflags & 1 << 9 == 0  // RFLAGS.IF
    default: return false
    }
  }

  private func immediateExit(_ value: UInt8) {
    // At byte 1 by the interface; offset(of:) gives it for members outside the union.
    let offset = MemoryLayout<kvm_run>.offset(of: \kvm_run.immediate_exit) ?? 1
    (shared + offset).assumingMemoryBound(to: Atomic<UInt8>.self).pointee
      .store(value, ordering: .releasing)
  }
}

// MARK: - Exits

extension VCPU {
  private func rareExit(_ reason: Int32) -> Exit {
    switch reason {
    case KVM_EXIT_INTR, KVM_EXIT_IRQ_WINDOW_OPEN: .interrupted
    case KVM_EXIT_HLT: .ended(.halted)
    case KVM_EXIT_SHUTDOWN: .ended(.shutdown)
    case KVM_EXIT_SYSTEM_EVENT: .ended(.systemEvent(state.pointee.system_event.type))
    case KVM_EXIT_INTERNAL_ERROR: .ended(.internalError(internalErrorReport()))
    case KVM_EXIT_FAIL_ENTRY:
      .ended(
        .failEntry(
          reason: state.pointee.fail_entry.hardware_entry_failure_reason,
          processor: state.pointee.fail_entry.cpu))
    default: .ended(.unknownExit(reason: UInt32(bitPattern: reason)))
    }
  }

  /// One exit may carry many elements of a string instruction (`rep outsb`).
  private func answerPort(_ ports: AddressSpace) {
    let io = state.pointee.io
    let width = Int(io.size)
    let start = Int(truncatingIfNeeded: io.data_offset)
    guard start >= 0, start <= sharedSize, 1...8 ~= width,
      Int(io.count) <= (sharedSize - start) / width
    else { return }
    var element = shared + start
    for _ in 0..<io.count {
      Self.answer(
        element, width, in: ports, at: UInt64(io.port),
        isWrite: io.direction == UInt8(KVM_EXIT_IO_OUT))
      element += width
    }
  }

  private func answerMMIO(_ memory: AddressSpace) {
    let (address, isWrite) = (state.pointee.mmio.phys_addr, state.pointee.mmio.is_write != 0)
    let width = min(Int(state.pointee.mmio.len), 8)
    withUnsafeMutableBytes(of: &state.pointee.mmio.data) { buffer in
      guard let data = buffer.baseAddress else { return }
      Self.answer(data, width, in: memory, at: address, isWrite: isWrite)
    }
  }

  /// Hands one access to its device. The little-endian bytes at `data`, at most 8, are what is written,
  /// or become what is read.
  private static func answer(
    _ data: UnsafeMutableRawPointer, _ width: Int, in space: AddressSpace, at address: UInt64,
    isWrite: Bool
  ) {
    var value: UInt64 = 0
    if isWrite {
      memcpy(&value, data, width)
      space.write(address: address, width: width, value: value)
    } else {
      value = space.read(address: address, width: width)
      memcpy(data, &value, width)
    }
  }

  private func internalErrorReport() -> InternalErrorReport {
    let failure = state.pointee.emulation_failure
    let shown =
      failure.suberror == UInt32(KVM_INTERNAL_ERROR_EMULATION)
      && failure.ndata > 0
      && failure.flags & UInt64(KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0
    var registers = kvm_regs()
    _ = ckvm_get_regs(rawValue, &registers)
    var instruction: [UInt8] = []
    if shown {
      let size = Int(min(failure.insn_size, 15))
      instruction = withUnsafeBytes(of: failure.insn_bytes) { Array($0.prefix(size)) }
    }
    if instruction.isEmpty { instruction = guestBytes(at: registers.rip, count: 15) }
    return InternalErrorReport(
      suberror: failure.suberror, instructionPointer: registers.rip, instruction: instruction)
  }

  /// The bytes at a guest-virtual address, as far as it is mapped to RAM.
  private func guestBytes(at address: UInt64, count: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    for offset in 0..<count {
      var translation = kvm_translation()
      translation.linear_address = address &+ offset
      guard ckvm_translate(rawValue, &translation) == 0, translation.valid != 0,
        let byte = try? machine.memory.load(translation.physical_address, as: UInt8.self)
      else { break }
      bytes.append(byte)
    }
    return bytes
  }
}
