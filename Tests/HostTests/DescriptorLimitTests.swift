import Glibc
import Host
import Testing

// Each in a process of its own, whose limits it changes.
@Suite
struct DescriptorLimitTests {
  @Test func raisesTheLimitOnlyWhereNeeded() async {
    await #expect(processExitsWith: .success) {
      setLimits(64, 128)
      #expect(DescriptorLimit.raise(toFit: 64) == 64)
      #expect(limits() == [64, 128])
      #expect(DescriptorLimit.raise(toFit: 65) == 128)
      #expect(limits() == [128, 128])
      #expect(DescriptorLimit.raise(toFit: 1000) == 128)
    }
  }
}

private let resource = __rlimit_resource_t(7)  // RLIMIT_NOFILE, which is imported as another type

private func setLimits(_ soft: UInt, _ hard: UInt) {
  var limits = rlimit(rlim_cur: soft, rlim_max: hard)
  setrlimit(resource, &limits)
}

private func limits() -> [UInt] {
  var limits = rlimit()
  getrlimit(resource, &limits)
  return [limits.rlim_cur, limits.rlim_max]
}
