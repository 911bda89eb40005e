/// This program's version.
package enum SwiftVMVersion {
  /// As `query-version` tells it.
  package static let numbers = (0, 2, 0)

  /// As people read it.
  package static let text = "\(numbers.0).\(numbers.1).\(numbers.2)"
}
