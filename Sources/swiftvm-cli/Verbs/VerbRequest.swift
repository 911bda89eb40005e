import SwiftVM

/// A verb with what it was given.
package struct VerbRequest: Equatable, Sendable {
  package let verb: ControlVerb
  /// The words that are no options, as many as the verb has.
  package var operands: [String] = []
  /// The machine's name, or nil.
  package var machine: String?
  /// The control socket's path, or nil.
  package var control: String?
  /// How long to wait, in seconds.
  package var timeout: Double?
  /// After how many lines to end.
  package var lines: Int?
  /// Whether a new port is a console.
  package var isConsole = false

  /// Reads the words after the verb; nil where help is asked for.
  init?(_ verb: ControlVerb, _ words: ArraySlice<[UInt8]>) throws(ConfigurationError) {
    self.verb = verb
    let (matches, operands) = try ArgumentScanner.scan(
      words, command: verb.rawValue, table: verb.command.options,
      operandCount: verb.operands.count)
    if matches.contains(where: { $0.option == OptionTable.help }) { return nil }
    self.operands = operands
    for match in matches { try take(match.option, match.value) }
    guard operands.count == verb.operands.count else {
      throw ConfigurationError(
        option: verb.rawValue, problem: "\(verb.operands[operands.count]) is missing",
        remedy: "give \(verb.command.usage)")
    }
    guard machine == nil || control == nil else {
      throw ConfigurationError(
        option: VerbOption.control.name, value: control ?? "",
        problem: "the machine is named twice", remedy: "give --vm or --control")
    }
  }

  private mutating func take(
    _ option: CommandOption, _ value: String
  ) throws(ConfigurationError) {
    switch option {
    case VerbOption.machine: machine = value
    case VerbOption.control: control = value
    case VerbOption.console: isConsole = true
    case VerbOption.timeout:
      guard let seconds = Double(value), seconds >= 0, seconds <= 1e9 else {
        throw ConfigurationError(
          option: option.name, value: value, problem: "this is not a number of seconds",
          remedy: "give e.g. --timeout 10")
      }
      timeout = seconds
    case VerbOption.lines:
      guard let count = Int(value), count > 0 else {
        throw ConfigurationError(
          option: option.name, value: value, problem: "this is not a number of lines",
          remedy: "give e.g. --lines 1")
      }
      lines = count
    default: break
    }
  }
}
