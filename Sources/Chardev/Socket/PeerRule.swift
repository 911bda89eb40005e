import CKVM
import Glibc
import Host

/// Whose processes are served on a Unix socket: those of any listed user or listed group; without
/// lists everybody's.
///
/// The kernel tells who a peer was when it connected (`SO_PEERCRED`, `SO_PEERGROUPS`, unix(7)).
struct PeerRule {
  let users: [UInt32]?
  let groups: [UInt32]?

  /// Whether there is a rule at all.
  var isRestrictive: Bool { users != nil || groups != nil }

  /// Whether the connected peer is to be served; one that cannot be asked about is not.
  func allows(_ socket: Int32) -> Bool {
    guard isRestrictive else { return true }
    guard let (user, group) = Self.credentials(socket) else { return false }
    if users?.contains(user) == true { return true }
    guard let groups, !groups.isEmpty else { return false }
    return groups.contains(group) || Self.furtherGroups(socket).contains { groups.contains($0) }
  }

  /// The user of the process that connected, or that made a listening socket listen.
  static func user(of socket: Int32) -> UInt32? { credentials(socket)?.user }

  /// `struct ucred` is a process, a user and a group.
  private static func credentials(_ socket: Int32) -> (user: UInt32, group: UInt32)? {
    var credentials: (process: UInt32, user: UInt32, group: UInt32) = (0, .max, .max)
    var length = socklen_t(MemoryLayout.size(ofValue: credentials))
    guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else {
      return nil
    }
    return (credentials.user, credentials.group)
  }

  /// The supplementary groups. Where they are more than there is room for, the kernel tells how many.
  private static func furtherGroups(_ socket: Int32) -> [UInt32] {
    let option: Int32 = 59  // SO_PEERGROUPS
    let size = MemoryLayout<UInt32>.size
    var length = socklen_t(64 * size)
    for _ in 0..<2 {
      var groups = [UInt32](repeating: 0, count: Int(length) / size)
      if getsockopt(socket, SOL_SOCKET, option, &groups, &length) == 0 {
        return Array(groups.prefix(Int(length) / size))
      }
      guard errno == ERANGE else { break }
    }
    return []
  }
}
