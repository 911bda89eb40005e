import Testing

/// Stock Linux guests under the executable, driven through their ports. One at a time: each takes
/// a machine of its own, and hosts may have two CPUs only.
@Suite(
  .serialized,
  .enabled(if: LinuxHost.canRun, Comment(rawValue: LinuxHost.obstacle ?? "this host runs Linux")))
enum StockGuestTests {}
