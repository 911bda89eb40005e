import Testing

@testable import KVM

/// What is advised where /dev/kvm may not be opened.
@Suite struct DevicePermissionsTests {
  private static func permissions(
    _ mode: UInt32, owner: UInt32 = 0, group: UInt32 = 0, user: UInt32 = 4243,
    groups: Set<UInt32> = [1000], _ change: (inout DevicePermissions) -> Void = { _ in }
  ) -> DevicePermissions {
    var permissions = DevicePermissions(
      mode: mode, owner: owner, group: group, user: user, groups: groups)
    change(&permissions)
    return permissions
  }

  @Test(
    arguments: [
      (permissions(0o600), "no membership helps; let root do chgrp kvm /dev/kvm"),
      (permissions(0o660), "MODE=\"0660\"), and join that group"),
      (permissions(0o600, groups: [0]), "its mode is 0600"),
      (
        permissions(0o600) { $0.isInContainer = true }, "the container's root (lasting: the host's)"
      ),
      (permissions(0o660, group: 4242), "(usermod -aG 4242 4243) and log in again"),
      (permissions(0o660, group: 4242) { $0.isListed = true }, "newgrp 4242"),
      (
        permissions(0o660, group: 4242) { $0.isInContainer = true },
        "--device /dev/kvm --group-add 4242"
      ),
      (permissions(0o660, group: 4242, groups: [4242]), "DeviceAllow="),
      (permissions(0o600, user: 0, groups: [0]), "DeviceAllow="),
      (
        permissions(0o666) { $0.isInContainer = true }, "start the container with --device /dev/kvm"
      ),
      (
        permissions(0o660, owner: 65534, group: 65534, user: 0) { $0.isInContainer = true },
        "--group-add keep-groups"
      ),
    ])
  func isWhatWouldWork(_ permissions: DevicePermissions, _ words: String) {
    let advice = permissions.advice
    #expect(advice.contains(words), "\(advice)")
    #expect(!advice.contains("\n"))
    // Root's group is never one to join.
    #expect(permissions.group != 0 || !advice.contains("usermod"))
  }
}
