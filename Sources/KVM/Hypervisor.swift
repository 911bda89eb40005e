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

  /// Opens KVM and checks that all of `Capability.required` is there.
  package init(path: String = "/dev/kvm") throws(HypervisorError) {
    let descriptor = try Self.open(path)
    let version = ckvm_get_api_version(descriptor.rawValue)
    guard version >= 0 else { throw .notKVM(path: path) }
    guard version == KVM_API_VERSION else { throw .unsupportedVersion(version) }
    let size = ckvm_get_vcpu_mmap_size(descriptor.rawValue)
    guard size >= MemoryLayout<kvm_run>.size else { throw .notKVM(path: path) }
    self.descriptor = descriptor
    vcpuMappingSize = Int(size)
    for capability in Capability.required where value(of: capability) == 0 {
      throw .missingCapability(capability.name)
    }
  }

  /// What KVM answers for a capability: 0 when absent, else 1 or the capability's own number.
  package func value(of capability: Capability) -> Int {
    let result = ckvm_check_extension(descriptor.rawValue, UInt(capability.number))
    return max(0, Int(result))
  }

  /// The number of vCPUs a machine cannot exceed, at least 1.
  package var maximumVCPUCount: Int {
    max(1, value(of: .recommendedVCPUs), value(of: .maximumVCPUs))
  }

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
    case EACCES, EPERM: throw .permissionDenied(path: path, DevicePermissions(of: path))
    default: throw .system(SystemError("open", errno: errno))
    }
  }
}

/// A feature of the kernel's KVM, as KVM_CHECK_EXTENSION names it.
package struct Capability: Equatable, Sendable {
  fileprivate let number: Int32
  /// The kernel's name for it.
  package let name: String

  private init(_ number: Int32, _ name: String) {
    self.number = number
    self.name = name
  }

  static let irqRouting = Capability(KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING")
  static let ioeventfdAnyLength = Capability(
    KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH")
  /// The local APIC's TSC-deadline timer.
  package static let tscDeadlineTimer = Capability(
    KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER")
  fileprivate static let recommendedVCPUs = Capability(KVM_CAP_NR_VCPUS, "KVM_CAP_NR_VCPUS")
  fileprivate static let maximumVCPUs = Capability(KVM_CAP_MAX_VCPUS, "KVM_CAP_MAX_VCPUS")

  /// The capabilities without which no machine runs.
  package static let required = [
    Capability(KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"),
    Capability(KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"),
    Capability(KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"),
    Capability(KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"),
    Capability(KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"),
    Capability(KVM_CAP_PIT2, "KVM_CAP_PIT2"),
    irqRouting,
    Capability(KVM_CAP_IRQFD, "KVM_CAP_IRQFD"),
    Capability(KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"),
    Capability(KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"),
  ]
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
