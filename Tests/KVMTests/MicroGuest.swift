import Glibc
import GuestMemory
import Host
import KVM

/// A machine that runs the bare-metal guest of `guest-images/micro`, entered by PVH.
///
/// Stops with the last reference to it.
final class MicroGuest {
  static let image: [UInt8]? = {
    let tests = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return try? readFile("/\(tests)/guest-images/build/micro/guest.elf")
  }()

  /// Why the tests that use it are skipped, when they are.
  static let requirement =
    image == nil ? "skipped: run guest-images/micro/build.sh first" : KVMHost.requirement

  static var isAvailable: Bool { image != nil && KVMHost.isAvailable }

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
      interruptController: .inKernel(tssAddress: 0xfffb_d000, identityMapAddress: 0xfffb_c000))
    let entry = try load(commandLine)
    for id in 0..<processors {
      let vcpu = try machine.createVCPU(id: id, of: processors)
      if id == 0 {
        var registers = BootRegisters(mode: .protected32, rip: entry)
        registers.rbx = 0x6000
        try vcpu.setInitialState(registers)
      }
      threads.append(
        VCPUThread(vcpu: vcpu, handler: ports) { [ports] end in ports.note(end, of: id) })
    }
  }

  deinit { stop() }

  /// The segments of the image, and PVH's start information with the command line.
  private func load(_ commandLine: String) throws -> UInt64 {
    let image = Self.image ?? []
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
    try memory.store(0x336e_c578 as UInt32, at: 0x6000)
    try memory.store(0x2_0000 as UInt64, at: 0x6018)
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

private func readFile(_ path: String) throws -> [UInt8] {
  let file = FileDescriptor(owning: try systemCall("open") { open(path, O_RDONLY | O_CLOEXEC) })
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = try systemCall("read") { read(file.rawValue, &chunk, chunk.count) }
    if count == 0 { return bytes }
    bytes += chunk[..<count]
  }
}
