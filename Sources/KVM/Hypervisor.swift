import CKVM
import Glibc
import Host

/// The open device node of KVM, which tells what the host offers and makes machines.
///
/// Callable on any thread.
package final class Hypervisor: Sendable {
  private let descriptor: FileDescriptor
  /// Size in bytes of a vCPU's shared page, `kvm_run` and what follows it.
  let vcpuMappingSize: Int

  /// The capabilities without which no machine runs, with the kernel's names for them.
  package static let requiredCapabilities = [
    (KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"),
    (KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"),
    (KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"),
    (KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"),
    (KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"),
    (KVM_CAP_PIT2, "KVM_CAP_PIT2"),
    (KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"),
    (KVM_CAP_IRQFD, "KVM_CAP_IRQFD"),
    (KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"),
    (KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"),
  ]

  /// Opens KVM and checks that all of `requiredCapabilities` is there.
  package init(path: String = "/dev/kvm") throws(HypervisorError) {
    let descriptor = try Self.open(path)
    let version = ckvm_get_api_version(descriptor.rawValue)
    guard version >= 0 else { throw .notKVM(path: path) }
    guard version == KVM_API_VERSION else { throw .unsupportedVersion(version) }
    let size = ckvm_get_vcpu_mmap_size(descriptor.rawValue)
    guard size >= MemoryLayout<kvm_run>.size else { throw .notKVM(path: path) }
    self.descriptor = descriptor
    vcpuMappingSize = Int(size)
    for (capability, name) in Self.requiredCapabilities where value(of: capability) == 0 {
      throw .missingCapability(name)
    }
  }

  /// What KVM answers for a capability (KVM_CAP_*): 0 when absent, else 1 or a number of its own.
  func value(of capability: Int32) -> Int {
    max(0, Int(ckvm_check_extension(descriptor.rawValue, UInt(capability))))
  }

  /// The number of vCPUs a machine cannot exceed, at least 1.
  package var maximumVCPUCount: Int {
    max(1, value(of: KVM_CAP_NR_VCPUS), value(of: KVM_CAP_MAX_VCPUS))
  }

  /// Whether local APICs have the TSC-deadline timer.
  package var hasDeadlineTimer: Bool { value(of: KVM_CAP_TSC_DEADLINE_TIMER) > 0 }

  /// The CPUID leaves KVM can give a guest on this host, before they are fitted to one vCPU.
  package func supportedCPUID() throws(SystemError) -> CPUIDTable {
    var capacity = 128
    while true {
      let buffer = TrailingArray<kvm_cpuid2, kvm_cpuid_entry2>(capacity: capacity)
      buffer.header.pointee.nent = UInt32(capacity)
      let result = ckvm_get_supported_cpuid(descriptor.rawValue, buffer.header)
      if result == -E2BIG, capacity < 4096 {
        capacity *= 2
        continue
      }
      try checked("KVM_GET_SUPPORTED_CPUID", result)
      let count = min(Int(buffer.header.pointee.nent), capacity)
      return CPUIDTable(entries: Array(buffer.elements[..<count]))
    }
  }

  func createVM() throws(SystemError) -> FileDescriptor {
    var result = ckvm_create_vm(descriptor.rawValue)
    // The kernel gives up on any signal that arrives during the call.
    while result == -EINTR { result = ckvm_create_vm(descriptor.rawValue) }
    return FileDescriptor(owning: try checked("KVM_CREATE_VM", result))
  }

  private static func open(_ path: String) throws(HypervisorError) -> FileDescriptor {
    let result = Glibc.open(path, O_RDWR | O_CLOEXEC)
    if result >= 0 { return FileDescriptor(owning: result) }
    switch errno {
    case ENOENT, ENODEV, ENXIO:
      throw .missing(path: path, isInContainer: DevicePermissions.isInContainer)
    case EACCES, EPERM: throw .permissionDenied(path: path, DevicePermissions.examine(path))
    default: throw .system(SystemError("open", errno: errno))
    }
  }
}

/// Why `/dev/kvm` cannot be used, with what to do about it.
package enum HypervisorError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The device node does not exist, or has no driver.
  case missing(path: String, isInContainer: Bool)
  /// The node may not be opened; the permissions are nil if it may not even be examined.
  case permissionDenied(path: String, DevicePermissions?)
  /// The file is not KVM's device.
  case notKVM(path: String)
  /// The interface's version is not 12, the only one since Linux 2.6.22.
  case unsupportedVersion(Int32)
  /// The running kernel's KVM lacks something that swiftvm needs.
  case missingCapability(String)
  /// A system call failed.
  case system(SystemError)

  /// One line.
  package var description: String {
    switch self {
    case .missing(let path, isInContainer: true):
      """
      \(path) is missing in this container: start it with --device \(path); where the host has none \
      either, turn virtualization on in the firmware and load the module kvm_intel or kvm_amd
      """
    case .missing(let path, isInContainer: false):
      """
      \(path) is missing: turn virtualization on in the firmware (on a cloud machine: choose one \
      with nested virtualization) and load the module kvm_intel or kvm_amd
      """
    case .permissionDenied(let path, let permissions):
      "\(path): permission denied: "
        + (permissions?.advice ?? "a directory of its path may not be entered; ask its owner")
    case .notKVM(let path):
      "\(path) is not KVM's device: load the module kvm_intel or kvm_amd, which makes it"
    case .unsupportedVersion(let version):
      "KVM's interface version is \(version), not 12: this kernel is too old"
    case .missingCapability(let name):
      "this kernel's KVM lacks \(name): use Linux 4.12 or later on x86_64"
    case .system(let error) where [EMFILE, ENFILE].contains(error.errno):
      "/dev/kvm: \(error): raise this limit"
    case .system(let error):
      "/dev/kvm: \(error): see dmesg for what KVM says"
    }
  }
}
