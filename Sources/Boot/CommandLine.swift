/// The kernel's command line.
package enum CommandLine {
  /// The bytes to place in memory, the final NUL included.
  ///
  /// - Parameter limit: bytes the kernel accepts, its NUL not counted.
  package static func encode(_ text: String, limit: Int) throws(BootError) -> [UInt8] {
    let size = text.utf8.count
    guard size <= limit else { throw .commandLineTooLong(size: size, limit: limit) }
    guard !text.utf8.contains(0) else { throw .commandLineHasNUL }
    return Array(text.utf8) + [0]
  }
}
