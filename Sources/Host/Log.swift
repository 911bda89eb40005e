/// Messages for whoever started the program: one line each on standard error.
///
/// Callable on any thread. A message may quote what a guest or a client wrote: control characters
/// are escaped, so that it can neither start a line of its own nor command the terminal.
package enum Log {
  /// Something failed, for good.
  package static func error(_ message: String) {
    emit("swiftvm: \(message)", patience: StandardError.finalPatience)
  }

  /// Something is wrong, yet work goes on.
  package static func warning(_ message: String) {
    emit("swiftvm: warning: \(message)", patience: 0)
  }

  /// Something worth knowing.
  package static func note(_ message: String) {
    emit("swiftvm: \(message)", patience: 0)
  }

  /// A line of a table or a trace, as it is; says whether standard error took it at once.
  package static func plain(_ line: String) -> Bool {
    emit(line, patience: 0)
  }

  /// The line as printed: control characters and line separators written as escapes.
  static func line(_ text: String) -> [UInt8] {
    var line = String()
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator, .format:
        line += scalar.escaped(asASCII: true)
      default:
        line.unicodeScalars.append(scalar)
      }
    }
    return Array(line.utf8) + [UInt8(ascii: "\n")]
  }

  /// Writes a line, or drops what nobody takes of it within `patience` milliseconds: a reader that
  /// stands still must not stop the machine.
  @discardableResult
  private static func emit(_ text: String, patience: Int32) -> Bool {
    StandardError.write(line(text), patience: patience)
  }
}
