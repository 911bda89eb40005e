import KVM

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
