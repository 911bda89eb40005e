import Boot
import Devices
import Glibc
import GuestMemory
import Host
import KVM
import Synchronization
import TestSupport

/// A machine that runs the bare-metal guest of `guest-images/micro`, entered by PVH.
///
/// Stops with the last reference to it.
final class MicroGuest {
  /// Why the tests that use it are skipped, when they are.
  static let requirement = Checkout.microGuestObstacle ?? KVMHost.requirement

  static var isAvailable: Bool { Checkout.microGuestObstacle == nil && KVMHost.isAvailable }

  let memory: GuestMemory
  let machine: KVMVirtualMachine
  private let ports: MicroGuestPorts
  private var threads: [VCPUThread] = []

  /// - Parameter onWrite: called on the guest's thread for each write to a port.
  init(
    _ commandLine: String, processors: Int = 1,
    onWrite: @escaping @Sendable (UInt16, UInt32) -> Void = { _, _ in }
  ) throws {
    ports = try MicroGuestPorts(onWrite: onWrite)
    memory = try GuestMemory(regions: [0..<0x100_0000])
    machine = try KVMVirtualMachine(
      hypervisor: try KVMHost.hypervisor.get(), memory: memory,
      hasInterruptControllers: true)
    let entry = try load(commandLine)
    for id in 0..<processors {
      let vcpu = try machine.createVCPU(id: id, of: processors)
      if id == 0 { try vcpu.setInitialState(EntryState(.protected32, rip: entry)) }
      threads.append(
        VCPUThread(vcpu: vcpu, bus: ports.bus) { [ports] end in ports.note(end, of: id) })
    }
  }

  deinit { stop() }

  /// The segments of the image, and PVH's start information with the command line.
  private func load(_ commandLine: String) throws -> UInt64 {
    let image = try File.contents(Checkout.microGuest)
    let entry = try image.withUnsafeBytes { bytes in
      let header = bytes.loadUnaligned(as: Elf64_Ehdr.self)
      for index in 0..<Int(header.e_phnum) {
        let segment = bytes.loadUnaligned(
          fromByteOffset: Int(header.e_phoff) + index * Int(header.e_phentsize),
          as: Elf64_Phdr.self)
        guard segment.p_type == UInt32(PT_LOAD) else { continue }
        let start = Int(segment.p_offset)
        try memory.write(
          UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(segment.p_filesz)]),
          at: segment.p_paddr)
      }
      return header.e_entry
    }
    try memory.store(0x336e_c578 as UInt32, at: AddressMap.startInfo)
    try memory.store(0x2_0000 as UInt64, at: AddressMap.startInfo + 0x18)
    try Array(commandLine.utf8).withUnsafeBytes { try memory.write($0, at: 0x2_0000) }
    return entry
  }

  // MARK: - Running

  func start() throws {
    for thread in threads { try thread.start() }
  }

  func stop() {
    for thread in threads { thread.requestStop() }
    for thread in threads { thread.join() }
  }

  /// Starts and waits until the guest powers off, resets or ends.
  func run(seconds: Double = 20) throws {
    try start()
    _ = wait(seconds: seconds) { !$0.ends.isEmpty || $0.powerOff != nil || $0.reset != nil }
  }

  /// Waits for something the guest does.
  func wait(seconds: Double = 20, until condition: (MicroGuestPorts.State) -> Bool) -> Bool {
    ports.wait(seconds: seconds, until: condition)
  }

  func waitForLine(_ line: String) -> Bool { wait { $0.lines.contains(line) } }

  /// The lines on COM1.
  var lines: [String] { ports.current.lines }
  /// What was written to the power management control register.
  var powerOff: UInt32? { ports.current.powerOff }
  /// The port of the reset the guest asked for.
  var reset: UInt16? { ports.current.reset }
  func end(of processor: Int = 0) -> VCPUEnd? { ports.current.ends[processor] }
}

/// What the micro guest finds at its ports and addresses: COM1, the ways to end, and registers that
/// remember what was written.
final class MicroGuestPorts: Sendable {
  struct State {
    var output: [UInt8] = []
    var registers: [UInt64: UInt8] = [:]
    var ends: [Int: VCPUEnd] = [:]
    var powerOff: UInt32?
    var reset: UInt16?

    var lines: [String] {
      String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    }
  }

  private let state = Mutex(State())
  private let progress: EventFD
  private let onWrite: @Sendable (UInt16, UInt32) -> Void
  let bus = IOBus()

  init(onWrite: @escaping @Sendable (UInt16, UInt32) -> Void) throws {
    self.onWrite = onWrite
    progress = try EventFD()
    bus.ports.move(
      Answering { [unowned self] port, width, value in
        guard let value else { return current.get(port, width) }
        write(value, width, to: UInt16(port))
        return 0
      }, from: nil, to: 0..<0x1_0000)
    bus.memory.move(
      Answering { [unowned self] address, width, value in
        guard let value else { return current.get(address, width) }
        state.withLock { $0.set(address, width, value) }
        return 0
      }, from: nil, to: 0..<UInt64.max)
  }

  var current: State { state.withLock { $0 } }

  func note(_ end: VCPUEnd, of processor: Int) {
    state.withLock { $0.ends[processor] = end }
    progress.signal()
  }

  func wait(seconds: Double, until condition: (State) -> Bool) -> Bool {
    let deadline = Deadline(seconds: seconds)
    while !condition(current) {
      guard deadline.waitForInput(of: progress.rawValue) else { return condition(current) }
      progress.drain()
    }
    return true
  }

  private func write(_ value: UInt64, _ width: Int, to port: UInt16) {
    state.withLock { state in
      switch (port, value) {
      case (0x3f8, _): state.output.append(UInt8(truncatingIfNeeded: value))
      case (0x604, _): state.powerOff = UInt32(value)
      case (0x64, 0xfe), (0xcf9, 0x06): state.reset = port
      default: state.set(UInt64(port), width, value)
      }
    }
    onWrite(port, UInt32(value))
    progress.signal()
  }
}

extension MicroGuestPorts.State {
  fileprivate mutating func set(_ address: UInt64, _ width: Int, _ value: UInt64) {
    for offset in 0..<width {
      registers[address + UInt64(offset)] = UInt8(truncatingIfNeeded: value >> (8 * offset))
    }
  }

  fileprivate func get(_ address: UInt64, _ width: Int) -> UInt64 {
    (0..<width).reduce(0) { value, offset in
      value | UInt64(registers[address + UInt64(offset)] ?? 0xff) << (8 * offset)
    }
  }
}
