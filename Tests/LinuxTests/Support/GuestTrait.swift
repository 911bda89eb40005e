import TestSupport
import Testing

/// One guest for all tests of a suite: booting takes many times longer than most of them.
///
/// Boots it before the first test, and ends it after the last. The tests find it as
/// `Guest.current`.
struct GuestTrait: SuiteTrait, TestScoping {
  let options: Guest.Options

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let guest = try Guest(options)
    try guest.awaitAgent()
    // Tells a guest that crashed and came back from one that answers slowly.
    defer { print("the guest's last words:\n\(guest.log)") }
    try await Guest.$shared.withValue(guest) { try await function() }
    guest.checkKernel()
  }
}

extension Trait where Self == GuestTrait {
  /// The suite's tests share a guest started so.
  static func guest(_ options: Guest.Options) -> Self { GuestTrait(options: options) }
}

extension Guest {
  @TaskLocal fileprivate static var shared: Guest?

  /// The guest of the suite that the running test belongs to.
  static var current: Guest {
    get throws {
      guard let shared else { throw Failure("this suite has no guest") }
      return shared
    }
  }
}
