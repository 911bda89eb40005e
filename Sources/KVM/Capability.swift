import CKVM

/// A feature of the kernel's KVM, as asked for by KVM_CHECK_EXTENSION.
package struct Capability: Equatable, Sendable {
  let number: Int32
  /// The kernel's name for it.
  package let name: String

  package static let userMemory = Capability(
    number: KVM_CAP_USER_MEMORY, name: "KVM_CAP_USER_MEMORY")
  package static let irqchip = Capability(number: KVM_CAP_IRQCHIP, name: "KVM_CAP_IRQCHIP")
  package static let setTSSAddress = Capability(
    number: KVM_CAP_SET_TSS_ADDR, name: "KVM_CAP_SET_TSS_ADDR")
  package static let setIdentityMapAddress = Capability(
    number: KVM_CAP_SET_IDENTITY_MAP_ADDR, name: "KVM_CAP_SET_IDENTITY_MAP_ADDR")
  package static let extendedCPUID = Capability(
    number: KVM_CAP_EXT_CPUID, name: "KVM_CAP_EXT_CPUID")
  package static let pit2 = Capability(number: KVM_CAP_PIT2, name: "KVM_CAP_PIT2")
  package static let irqRouting = Capability(
    number: KVM_CAP_IRQ_ROUTING, name: "KVM_CAP_IRQ_ROUTING")
  package static let irqfd = Capability(number: KVM_CAP_IRQFD, name: "KVM_CAP_IRQFD")
  package static let ioeventfd = Capability(number: KVM_CAP_IOEVENTFD, name: "KVM_CAP_IOEVENTFD")
  package static let ioeventfdAnyLength = Capability(
    number: KVM_CAP_IOEVENTFD_ANY_LENGTH, name: "KVM_CAP_IOEVENTFD_ANY_LENGTH")
  package static let immediateExit = Capability(
    number: KVM_CAP_IMMEDIATE_EXIT, name: "KVM_CAP_IMMEDIATE_EXIT")
  package static let tscDeadlineTimer = Capability(
    number: KVM_CAP_TSC_DEADLINE_TIMER, name: "KVM_CAP_TSC_DEADLINE_TIMER")
  package static let recommendedVCPUs = Capability(
    number: KVM_CAP_NR_VCPUS, name: "KVM_CAP_NR_VCPUS")
  package static let maximumVCPUs = Capability(
    number: KVM_CAP_MAX_VCPUS, name: "KVM_CAP_MAX_VCPUS")

  /// What swiftvm cannot do without.
  package static let required: [Capability] = [
    userMemory, irqchip, setTSSAddress, setIdentityMapAddress, extendedCPUID, pit2, irqRouting,
    irqfd, ioeventfd, immediateExit,
  ]
}
