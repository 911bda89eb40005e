/// This program's version.
package enum SwiftVMVersion {
  package static let text = "0.1.0"
}
