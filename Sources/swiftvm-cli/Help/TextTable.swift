/// Values as lines of text in columns, under a line of titles.
struct TextTable<Row>: Sendable {
  /// One column: its title, and what it says of a row.
  struct Column: Sendable {
    fileprivate let title: String
    fileprivate var isAtTheRight = false
    fileprivate let text: @Sendable (Row) -> String

    init(_ title: String, _ text: @escaping @Sendable (Row) -> String) {
      (self.title, self.text) = (title, text)
    }

    /// A column of numbers, or of other words that stand at its right.
    static func right(
      _ title: String,
      _ value: @escaping @Sendable (Row) -> some CustomStringConvertible & SendableMetatype
    ) -> Column {
      var column = Column(title) { value($0).description }
      column.isAtTheRight = true
      return column
    }
  }

  private let columns: [Column]

  init(_ columns: [Column]) { self.columns = columns }

  /// A line of titles and one for each row; none without rows.
  ///
  /// - Parameter prefix: what each line begins with.
  func lines(_ rows: [Row], prefix: String = "") -> [String] {
    guard !rows.isEmpty else { return [] }
    let table = [columns.map(\.title)] + rows.map { row in columns.map { $0.text(row) } }
    let widths = columns.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    return table.map { row in
      let cells = zip(columns, zip(row, widths)).map { column, cell in
        let padding = String(repeating: " ", count: cell.1 - cell.0.count)
        return column.isAtTheRight ? padding + cell.0 : cell.0 + padding
      }
      return prefix + cells.joined(separator: "  ")
    }
  }
}
