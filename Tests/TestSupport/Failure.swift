import Glibc

/// Why a test cannot go on.
package struct Failure: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }

  /// A call that has just failed.
  package init(call: String) {
    self.init("\(call): \(String(cString: strerror(errno)))")
  }
}
