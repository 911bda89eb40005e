import Glibc
import Host

/// The files of `Tests/Golden`: what users see, as it was when it was last changed on purpose.
/// `SWIFTVM_GOLDEN=update` in the environment writes them anew.
package enum Golden {
  private static let directory =
    "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Golden/"

  /// The lines that differ between a text and the file of that name, `-` before the file's; empty
  /// where they are the same.
  package static func difference(_ text: String, from name: String) throws -> [String] {
    let path = directory + name
    if getenv("SWIFTVM_GOLDEN").map({ String(cString: $0) }) == "update" {
      try write(text, to: path)
    }
    let expected = lines(try read(path))
    let found = lines(text)
    return found.difference(from: expected).map { change in
      switch change {
      case .remove(_, let line, _): "-" + line
      case .insert(_, let line, _): "+" + line
      }
    }
  }

  private static func lines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  private static func read(_ path: String) throws -> String {
    guard let file = fopen(path, "r") else { throw SystemError("open " + path, errno: errno) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else { throw SystemError("open " + path, errno: errno) }
    fputs(text, file)
    guard fclose(file) == 0 else { throw SystemError("write " + path, errno: errno) }
  }
}
