import CKVM
import Glibc
import Host

/// Which users may open a device node, and which user this process runs as: enough to say what helps
/// after a refusal.
package struct DevicePermissions: Equatable, Sendable {
  /// The user and group that a user namespace shows for those outside it.
  private static let unknown: UInt32 = 65534

  /// The node's path.
  var path = "/dev/kvm"
  /// Its permissions, owner and group.
  var mode: mode_t
  var owner: uid_t
  var group: gid_t
  /// This process's user and groups.
  var user: uid_t
  var groups: Set<gid_t>
  /// Whether the host's files name the user as a member of the node's group.
  var isListed = false
  /// Whether this process is in a container.
  var isInContainer = false

  /// Examines a node and this process; nil if stat(2) fails.
  static func examine(_ path: String) -> DevicePermissions? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    var groups = [gid_t](repeating: 0, count: 65536)
    let count = getgroups(Int32(groups.count), &groups)
    return DevicePermissions(
      path: path, mode: status.st_mode & 0o777, owner: status.st_uid, group: status.st_gid,
      user: geteuid(), groups: Set<gid_t>(groups.prefix(max(0, Int(count)))).union([getegid()]),
      isListed: AccountFile.lists(
        user: AccountFile.name(ofUser: geteuid()), inGroup: status.st_gid),
      isInContainer: isInContainer)
  }

  /// Whether this process is in a container, as container managers tell.
  static var isInContainer: Bool {
    getenv("container") != nil
      || ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"].contains {
        (path: String) in
        access(path, F_OK) == 0
      }
  }

  /// Why the node cannot be opened and what helps; a clause.
  var advice: String {
    if isInContainer, owner == Self.unknown {
      return "it belongs to a user outside this container; start the container with --device"
        + " \(path), and in Podman with --group-add keep-groups"
    }
    let granted = user == owner ? mode >> 6 : groups.contains(group) ? mode >> 3 : mode
    if user == 0 || granted & 6 == 6 {
      return isInContainer
        ? "its mode allows it, but this container's device rules do not; start the container with"
          + " --device \(path)"
        : "its mode allows it, so another rule does not; see the service's DeviceAllow= and what"
          + " SELinux or AppArmor say (dmesg)"
    }
    let name = AccountFile.name(ofGroup: group)
    // Members of root's group may do more than run guests.
    guard mode & 0o060 == 0o060, group != 0 else {
      let digits = String(mode, radix: 8)
      let text = String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
      return "its mode is \(text) and it belongs to \(AccountFile.name(ofUser: owner)):\(name), so"
        + " that no membership helps; "
        + (isInContainer ? "let the container's root (lasting: the host's) do" : "let root do")
        + " chgrp kvm \(path) && chmod 660 \(path), or lastingly a udev rule"
        + " (KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0660\"), and join that group"
    }
    if isInContainer {
      return "it belongs to the group \(name); start the container with --device \(path)"
        + " --group-add \(group), and in Podman with --group-add keep-groups"
    }
    return isListed
      ? "this user has joined its group \(name) since this session began; log in again, or run"
        + " newgrp \(name)"
      : "it belongs to the group \(name); add this user to it"
        + " (usermod -aG \(name) \(AccountFile.name(ofUser: user))) and log in again"
  }
}
