/// Values as lines of text in columns, under a line of titles.
struct TextTable<Row>: Sendable {
  /// One column: its title, and what it says of a row.
  struct Column: Sendable {
    fileprivate let title: String
    /// Numbers stand at the right of their column.
    fileprivate let isNumber: Bool
    fileprivate let text: @Sendable (Row) -> String

    /// A column of words.
    init(_ title: String, _ text: @escaping @Sendable (Row) -> String) {
      self.init(title, isNumber: false, text)
    }

    /// A column of numbers.
    static func number(
      _ title: String, _ number: @escaping @Sendable (Row) -> UInt64
    ) -> Column {
      Column(title, isNumber: true) { String(number($0)) }
    }

    /// A column of words that stand at its right.
    static func right(_ title: String, _ text: @escaping @Sendable (Row) -> String) -> Column {
      Column(title, isNumber: true, text)
    }

    private init(_ title: String, isNumber: Bool, _ text: @escaping @Sendable (Row) -> String) {
      self.title = title
      self.isNumber = isNumber
      self.text = text
    }
  }

  private let columns: [Column]

  init(_ columns: [Column]) { self.columns = columns }

  /// A line of titles and one for each row; none without rows.
  func lines(_ rows: [Row]) -> [String] {
    guard !rows.isEmpty else { return [] }
    let table = [columns.map(\.title)] + rows.map { row in columns.map { $0.text(row) } }
    let widths = columns.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    return table.map { row in
      let cells = zip(columns, zip(row, widths)).map { column, cell in
        let (text, width) = cell
        let padding = String(repeating: " ", count: width - text.count)
        return column.isNumber ? padding + text : text + padding
      }
      return cells.joined(separator: "  ")
    }
  }
}
