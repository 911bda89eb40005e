/// A text of this checkout that people read: its lines, the rows of its tables, its links.
package struct Document {
  /// The checkout's directory, with a slash at its end.
  package static let root = Checkout.root + "/"

  /// Its lines, empty ones included.
  package let lines: [String]

  /// Reads the file of this path in the checkout.
  package init(_ path: String) throws {
    lines = String(decoding: try File.contents(Self.root + path), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// The cells of each row of its tables.
  package var rows: [[String]] {
    lines.filter { $0.hasPrefix("| ") }.map { line in
      line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map {
        $0.split(separator: " ").joined(separator: " ")
      }
    }
  }

  /// The lines of its first block of code in this language.
  package func code(in language: String) -> [String] {
    Array(lines.drop { $0 != "```" + language }.dropFirst().prefix { $0 != "```" })
  }

  /// Where its links lead.
  package var links: [String] {
    lines.flatMap { line in
      line.split(separator: "(").dropFirst().compactMap { rest in
        line[..<rest.startIndex].hasSuffix("](") ? String(rest.prefix { $0 != ")" }) : nil
      }
    }
  }
}
