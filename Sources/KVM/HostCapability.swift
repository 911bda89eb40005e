import Boot
import Devices
import Glibc
import GuestMemory
import Host
import Synchronization

/// What the host's KVM can run.
package enum HostCapability: Equatable, Sendable {
  /// Stock kernels.
  case full
  /// Only small guests: KVM interprets kernel code and lacks instructions every Linux kernel uses.
  case smallGuestsOnly(reason: String)
  /// No guest; the reason says what to do about it.
  case unavailable(reason: String)

  /// Finds out by running a few instructions that a kernel needs in a machine of their own.
  ///
  /// Takes milliseconds; never more than about two seconds.
  package static func probe(path: String = "/dev/kvm") -> HostCapability {
    let hypervisor: Hypervisor
    do throws(HypervisorError) {
      hypervisor = try Hypervisor(path: path)
    } catch {
      return .unavailable(reason: error.description)
    }
    do throws(SystemError) {
      let (step, end) = try InstructionProbe.run(on: hypervisor, seconds: 2)
      switch end {
      case .halted where step == InstructionProbe.steps.last:
        return .full
      case .internalError(let report):
        let name = report.interpreterLimit ?? step
        return .smallGuestsOnly(
          reason: "it interprets kernel code and does not know \(name), which every Linux kernel"
            + " uses")
      case .stopped:
        return .smallGuestsOnly(reason: "\(step) did not finish in time")
      default:
        return .smallGuestsOnly(reason: "\(step) failed: \(end)")
      }
    } catch {
      return .unavailable(reason: "/dev/kvm opens but no machine runs on it: \(error)")
    }
  }
}

/// A tiny 64-bit guest that tries, at the kernel's privilege level, instructions that every kernel
/// needs and that an interpreting KVM lacks.
private enum InstructionProbe {
  /// What the guest is about to do, by the number that it wrote to the port last.
  static let steps = ["the first instruction", "cmpxchg16b", "xsave", "int3", "hlt"]

  /// Runs the guest to its end, or stops it after `seconds`.
  static func run(
    on hypervisor: Hypervisor, seconds: Int
  ) throws(SystemError) -> (step: String, end: VCPUEnd) {
    let entry = EntryState(.longMode, rip: Layout.code)
    let memory = try makeMemory(entry)
    let machine = try KVMVirtualMachine(
      hypervisor: hypervisor, memory: memory, hasInterruptControllers: false)
    let vcpu = try machine.createVCPU(id: 0, of: 1)
    try vcpu.setInitialState(entry)

    let observer = Observer()
    let bus = IOBus()
    bus.ports.move(observer, from: nil, to: 0xf4..<0xf5)
    let ended = try EventFD()
    let thread = VCPUThread(vcpu: vcpu, bus: bus) { end in
      observer.result.withLock { $0.end = end }
      ended.signal()
    }
    try thread.start()
    var waiting = pollfd(fd: ended.rawValue, events: Int16(POLLIN), revents: 0)
    while poll(&waiting, 1, Int32(seconds * 1000)) < 0, errno == EINTR {}
    thread.requestStop()
    thread.join()
    return observer.result.withLock { $0 }
  }

  /// Notes what the guest reports.
  private final class Observer: AddressSpaceDevice {
    let result = Mutex((step: steps[0], end: VCPUEnd.stopped))

    func read(offset: UInt64, width: Int) -> UInt64 { .max }
    func write(offset: UInt64, width: Int, value: UInt64) {
      let number = Int(truncatingIfNeeded: value)
      if steps.indices.contains(number) { result.withLock { $0.step = steps[number] } }
    }
  }

  /// Guest-physical addresses, mapped identically; `EntryState` has the others.
  private enum Layout {
    static let interruptTablePointer: UInt64 = 0x4800
    static let interruptTable: UInt64 = 0x5000
    static let code: UInt64 = 0x8000
    static let scratch: UInt64 = 0x2_0000
  }

  private static func makeMemory(_ entry: EntryState) throws(SystemError) -> GuestMemory {
    let memory = try GuestMemory(regions: [0..<0x20_0000])
    do throws(GuestMemoryError) {
      for (address, bytes) in entry.tables + [(Layout.code, code)] {
        for (index, byte) in bytes.enumerated() {
          try memory.store(byte, at: address + UInt64(index))
        }
      }
      // Vector 3, the breakpoint: a 64-bit interrupt gate to the last instruction of the code.
      let breakpointHandler = Layout.code + UInt64(code.count - 2)
      try memory.store(UInt16(0x3f), at: Layout.interruptTablePointer)
      try memory.store(Layout.interruptTable, at: Layout.interruptTablePointer + 2)
      try memory.store(
        0x0000_8e00_0010_0000 | breakpointHandler, at: Layout.interruptTable + 3 * 16)
    } catch {
      throw SystemError("instruction probe", errno: EFAULT)
    }
    return memory
  }

  /// Tries only what CPUID announces.
  private static let code: [UInt8] = [
    0xb8, 0x01, 0x00, 0x00, 0x00,  // mov $1, %eax
    0xe6, 0xf4,  // out %al, $0xf4
    0x0f, 0xa2,  // cpuid
    0x89, 0xce,  // mov %ecx, %esi
    0xbf, 0x00, 0x00, 0x02, 0x00,  // mov $scratch, %edi
    0x0f, 0xba, 0xe6, 0x0d,  // bt $13, %esi
    0x73, 0x09,  // jnc over the next three
    0x31, 0xc0,  // xor %eax, %eax
    0x31, 0xd2,  // xor %edx, %edx
    0xf0, 0x48, 0x0f, 0xc7, 0x0f,  // lock cmpxchg16b (%rdi)
    0xb0, 0x02, 0xe6, 0xf4,  // mov $2, %al; out %al, $0xf4
    0x0f, 0xba, 0xe6, 0x1a,  // bt $26, %esi
    0x73, 0x1d,  // jnc over all up to xsave
    0x0f, 0x20, 0xe0,  // mov %cr4, %rax
    0x0d, 0x00, 0x02, 0x04, 0x00,  // or $(OSXSAVE | OSFXSR), %eax
    0x0f, 0x22, 0xe0,  // mov %rax, %cr4
    0x31, 0xc9,  // xor %ecx, %ecx
    0x31, 0xd2,  // xor %edx, %edx
    0xb8, 0x03, 0x00, 0x00, 0x00,  // mov $3, %eax
    0x0f, 0x01, 0xd1,  // xsetbv
    0x0f, 0xae, 0x2f,  // xrstor (%rdi)
    0x0f, 0xae, 0x27,  // xsave (%rdi)
    0xb0, 0x03, 0xe6, 0xf4,  // mov $3, %al; out %al, $0xf4
    0x0f, 0x01, 0x1c, 0x25, 0x00, 0x48, 0x00, 0x00,  // lidt interruptTablePointer
    0xcc,  // int3
    0xb0, 0x04, 0xe6, 0xf4,  // mov $4, %al; out %al, $0xf4
    0xf4,  // hlt
    0x48, 0xcf,  // breakpoint handler: iretq
  ]
}
