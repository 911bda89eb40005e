import CKVM
import Glibc
import Host

/// The open device node of KVM: what the host offers, and where machines come from.
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

  /// The number of vCPUs a machine should not exceed: the host's processors.
  package var recommendedVCPUCount: Int { max(1, value(of: .recommendedVCPUs)) }

  /// The number of vCPUs a machine cannot exceed.
  package var maximumVCPUCount: Int { max(recommendedVCPUCount, value(of: .maximumVCPUs)) }

  /// The CPUID leaves KVM can give a guest on this host, before fitting them to one vCPU.
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
    // The kernel gives up on any signal that arrives meanwhile.
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
