import Glibc

/// The files of `Tests/Golden`: what users see, as it was when it was last changed on purpose.
/// `SWIFTVM_GOLDEN=update` in the environment writes them anew.
package enum Golden {
  private static let directory = Checkout.root + "/Tests/Golden/"

  /// The lines that differ between a text and the file of that name, `-` before the file's; empty
  /// where they are the same.
  package static func difference(_ text: String, from name: String) throws -> [String] {
    let path = directory + name
    if getenv("SWIFTVM_GOLDEN").map({ String(cString: $0) }) == "update" {
      try File.write(Array(text.utf8), to: path)
    }
    let expected = lines(String(decoding: try File.contents(path), as: UTF8.self))
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
}
