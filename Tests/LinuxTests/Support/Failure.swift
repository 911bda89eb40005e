import Glibc

/// Why a test cannot go on.
struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }

  /// A call that has just failed.
  init(call: String) {
    self.init("\(call): \(String(cString: strerror(errno)))")
  }
}
