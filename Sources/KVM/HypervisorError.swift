import Glibc
import Host

/// Why `/dev/kvm` cannot be used, with what to do about it.
package enum HypervisorError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The device node does not exist, or no driver stands behind it.
  case missing(path: String, isInContainer: Bool)
  /// The node may not be opened; the permissions are missing where it may not even be looked at.
  case permissionDenied(path: String, DevicePermissions?)
  /// The file is something else than KVM.
  case notKVM(path: String)
  /// The interface's version is not 12, the only one since Linux 2.6.22.
  case unsupportedVersion(Int32)
  /// The running kernel's KVM lacks something swiftvm cannot do without.
  case missingCapability(String)
  case system(SystemError)

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
