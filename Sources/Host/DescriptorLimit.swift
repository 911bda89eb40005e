import Glibc

/// How many descriptors this process may have open at once (`RLIMIT_NOFILE`).
package enum DescriptorLimit {
  /// Raises the limit, if it is lower than `count`, as far as this process may.
  ///
  /// - Returns: how many may be open now.
  package static func raise(toFit count: UInt64) -> UInt64 {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return count }
    let current = UInt64(limit.rlim_cur)
    guard current < count, limit.rlim_cur < limit.rlim_max else { return current }
    limit.rlim_cur = limit.rlim_max
    guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return current
    }
    return UInt64(limit.rlim_max)
  }
}
