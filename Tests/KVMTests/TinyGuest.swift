import Boot
import Devices
import Glibc
import GuestMemory
import Host
import KVM
import Synchronization
import TestSupport

/// A machine of 2 MiB with a few hand-made instructions at 0x8000, in 64-bit mode, the first 4 GiB
/// mapped identically.
///
/// Stops with the last reference to it.
final class TinyGuest {
  static let code: UInt64 = 0x8000
  static let data: UInt64 = 0x10_0000

  let memory: GuestMemory
  let machine: KVMVirtualMachine
  let vcpu: VCPU
  let recorder: Recorder
  private var thread: VCPUThread?

  /// - Parameter answers: what reads get, in turn; all ones when used up.
  init(
    _ code: [UInt8], mode: EntryState.Mode = .longMode, answers: [UInt64] = [],
    interrupts: Bool = false, processors: Int = 1
  ) throws {
    recorder = try Recorder(answers: answers)
    memory = try GuestMemory(regions: [0..<0x20_0000])
    machine = try KVMVirtualMachine(
      hypervisor: try KVMHost.hypervisor.get(), memory: memory,
      hasInterruptControllers: interrupts)
    vcpu = try machine.createVCPU(id: 0, of: processors)
    let entry = EntryState(mode, rip: Self.code)
    for (address, bytes) in entry.tables + [(Self.code, code)] {
      try bytes.withUnsafeBytes { try memory.write($0, at: address) }
    }
    try vcpu.setInitialState(entry)
  }

  deinit {
    thread?.requestStop()
    thread?.join()
  }

  // MARK: - Running

  /// Runs the guest to its end on a thread of its own; nil if that does not come within `seconds`.
  @discardableResult
  func run(seconds: Double = 10) throws -> VCPUEnd? {
    try start()
    return waitUntil(seconds: seconds) { self.ending != nil } ? ending : nil
  }

  func start() throws { try makeThread().start() }

  /// The guest's thread, not started.
  func makeThread() -> VCPUThread {
    let thread = VCPUThread(vcpu: vcpu, bus: recorder.bus) { [recorder] end in recorder.note(end) }
    self.thread = thread
    return thread
  }

  func requestStop() { thread?.requestStop() }

  var ending: VCPUEnd? { recorder.ending }
  var log: [Recorder.Access] { recorder.log }

  /// Waits for a condition that an access or the end of the guest makes true.
  func waitUntil(seconds: Double = 10, _ condition: () -> Bool) -> Bool {
    recorder.waitUntil(seconds: seconds, condition)
  }
}

/// Notes every access of a guest and answers reads from a list.
final class Recorder: Sendable {
  enum Access: Equatable {
    case portRead(UInt16, width: Int)
    case portWrite(UInt16, width: Int, UInt32)
    case mmioRead(UInt64, width: Int)
    case mmioWrite(UInt64, width: Int, UInt64)
  }

  private let accesses = Mutex<[Access]>([])
  private let answers: Mutex<[UInt64]>
  private let end = Mutex<VCPUEnd?>(nil)
  private let progress: EventFD
  let bus = IOBus()

  /// - Parameter answers: what reads get, in turn; all ones when used up.
  init(answers: [UInt64]) throws {
    self.answers = Mutex(answers)
    progress = try EventFD()
    bus.ports.move(
      Answering { [unowned self] port, width, value in
        guard let value else { return answer(.portRead(UInt16(port), width: width)) }
        note(.portWrite(UInt16(port), width: width, UInt32(value)))
        return 0
      }, from: nil, to: 0..<0x1_0000)
    bus.memory.move(
      Answering { [unowned self] address, width, value in
        guard let value else { return answer(.mmioRead(address, width: width)) }
        note(.mmioWrite(address, width: width, value))
        return 0
      }, from: nil, to: 0..<UInt64.max)
  }

  var ending: VCPUEnd? { end.withLock { $0 } }
  var log: [Access] { accesses.withLock { $0 } }

  func note(_ end: VCPUEnd) {
    self.end.withLock { $0 = end }
    progress.signal()
  }

  /// Waits for a condition that an access or the end of the guest makes true.
  func waitUntil(seconds: Double, _ condition: () -> Bool) -> Bool {
    let deadline = Deadline(seconds: seconds)
    while !condition() {
      guard deadline.waitForInput(of: progress.rawValue) else { return condition() }
      progress.drain()
    }
    return true
  }

  private func answer(_ access: Access) -> UInt64 {
    note(access)
    return answers.withLock { $0.isEmpty ? .max : $0.removeFirst() }
  }

  private func note(_ access: Access) {
    accesses.withLock { $0.append(access) }
    progress.signal()
  }
}

/// A device that has a closure answer its accesses; the value is nil for a read.
final class Answering: AddressSpaceDevice {
  private let answer: @Sendable (UInt64, Int, UInt64?) -> UInt64

  init(_ answer: @escaping @Sendable (_ offset: UInt64, _ width: Int, UInt64?) -> UInt64) {
    self.answer = answer
  }

  func read(offset: UInt64, width: Int) -> UInt64 { answer(offset, width, nil) }
  func write(offset: UInt64, width: Int, value: UInt64) { _ = answer(offset, width, value) }
}

/// Whether the tests of this suite can have a machine, and why not.
enum KVMHost {
  static let hypervisor: Result<Hypervisor, HypervisorError> = Result {
    () throws(HypervisorError) in
    try Hypervisor()
  }

  static var isAvailable: Bool {
    if case .success = hypervisor { true } else { false }
  }

  static let requirement: String =
    if case .failure(let error) = hypervisor { "skipped: \(error)" } else { "needs /dev/kvm" }
}
