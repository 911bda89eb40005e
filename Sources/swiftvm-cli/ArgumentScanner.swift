import SwiftVM

/// Takes a command's words apart into options and their values; knows nothing of what they mean.
struct ArgumentScanner {
  /// One option as given.
  struct Match {
    let option: CommandOption
    /// The option's word as it was given.
    let spelling: String
    /// Empty for an option that takes no value.
    let value: String
  }

  private let command: String
  private let table: [CommandOption]
  private var words: ArraySlice<[UInt8]>
  private let operandCount: Int
  private var matches: [Match] = []
  private var operands: [String] = []
  /// The option just before, where it takes no value.
  private var lastFlag: String?

  /// Scans all words by the table.
  ///
  /// - Parameters:
  ///   - words: the words after the command's name.
  ///   - command: the command's name, for the remedies.
  ///   - table: its options.
  static func scan(
    _ words: ArraySlice<[UInt8]>, command: String, table: [CommandOption]
  ) throws(ConfigurationError) -> [Match] {
    try scan(words, command: command, table: table, operandCount: 0).matches
  }

  /// Scans all words by the table, and sets apart those that are no options: words without a dash, a
  /// lone dash, and whatever follows two dashes.
  ///
  /// - Parameter operandCount: how many of these there may be.
  static func scan(
    _ words: ArraySlice<[UInt8]>, command: String, table: [CommandOption], operandCount: Int
  ) throws(ConfigurationError) -> (matches: [Match], operands: [String]) {
    var scanner = ArgumentScanner(
      command: command, table: table, words: words, operandCount: operandCount)
    while let word = scanner.words.popFirst() {
      if operandCount > 0, word == Array("--".utf8) {
        while let operand = scanner.words.popFirst() { try scanner.takeOperand(operand) }
      } else if scanner.operands.count < operandCount, Self.isOperand(word) {
        try scanner.takeOperand(word)
      } else {
        try scanner.take(word)
      }
    }
    return (scanner.matches, scanner.operands)
  }

  private init(
    command: String, table: [CommandOption], words: ArraySlice<[UInt8]>, operandCount: Int
  ) {
    self.command = command
    self.table = table
    self.words = words
    self.operandCount = operandCount
  }

  private static func isOperand(_ word: [UInt8]) -> Bool {
    word.first != UInt8(ascii: "-") || word.count == 1
  }

  private mutating func takeOperand(_ word: [UInt8]) throws(ConfigurationError) {
    lastFlag = nil
    guard operands.count < operandCount else { throw unknown([], name: PlainText.displayed(word)) }
    guard let operand = String(validating: word, as: UTF8.self) else {
      throw ConfigurationError(
        option: command, value: PlainText.displayed(word), problem: "this word is not valid UTF-8",
        remedy: "give it in UTF-8")
    }
    operands.append(operand)
  }

  private mutating func take(_ word: [UInt8]) throws(ConfigurationError) {
    let (name, attached) = Self.split(word)
    guard let option = option(name) else {
      throw unknown(word, name: name)
    }
    let value = try value(of: option, spelling: name, attached: attached)
    guard option.isRepeatable || !matches.contains(where: { $0.option == option }) else {
      throw ConfigurationError(
        option: name, value: value, problem: "this option is given twice",
        remedy: "give it once")
    }
    matches.append(Match(option: option, spelling: name, value: value))
    lastFlag = option.metavariable == nil ? name : nil
  }

  private mutating func value(
    of option: CommandOption, spelling: String, attached: [UInt8]?
  ) throws(ConfigurationError) -> String {
    guard let metavariable = option.metavariable else {
      guard let attached else { return "" }
      throw superfluous(attached, after: spelling)
    }
    guard let bytes = attached ?? nextValue() else {
      throw ConfigurationError(
        option: spelling, problem: "the value is missing",
        remedy: "give \(spelling) \(metavariable)")
    }
    guard let value = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(
        option: spelling, value: PlainText.displayed(bytes),
        problem: "the value is not valid UTF-8", remedy: "give it in UTF-8")
    }
    guard !value.isEmpty || option.allowsEmptyValue else {
      throw ConfigurationError(
        option: spelling, problem: "the value is empty",
        remedy: "give \(spelling) \(metavariable)")
    }
    return value
  }

  /// The next word, unless it is an option itself, so that a forgotten value shows as that.
  private mutating func nextValue() -> [UInt8]? {
    guard let word = words.first else { return nil }
    let name = Self.split(word).name
    guard option(name) == nil else { return nil }
    return words.popFirst()
  }

  private func superfluous(_ value: [UInt8], after spelling: String) -> ConfigurationError {
    ConfigurationError(
      option: spelling, value: PlainText.displayed(value), problem: "this option takes no value",
      remedy: "give \(spelling) alone")
  }

  private func unknown(_ word: [UInt8], name: String) -> ConfigurationError {
    guard word.first == UInt8(ascii: "-") else {
      // QEMU's option of that name may have one.
      if let lastFlag { return superfluous(word, after: lastFlag) }
      return ConfigurationError(
        option: "", value: PlainText.displayed(word), problem: "this word belongs to no option",
        remedy: "see swiftvm \(command) --help")
    }
    if table == OptionTable.run, let plain = CommandOption.plainName(name),
      let remedy = RefusedOptions.remedy(for: plain)
    {
      return ConfigurationError(
        option: name, problem: "swiftvm does not have this option of QEMU's", remedy: remedy)
    }
    let nearest = Suggestion.to(name, among: table.map(\.name))
    return ConfigurationError(
      option: name, problem: "unknown option",
      remedy: nearest.map { "did you mean \($0)?" } ?? "see swiftvm \(command) --help")
  }

  private func option(_ name: String) -> CommandOption? {
    guard let plain = CommandOption.plainName(name) else { return nil }
    return table.first { $0.isCalled(plain) }
  }

  /// The option's name and, where there is an equals sign, what follows it.
  private static func split(_ word: [UInt8]) -> (name: String, attached: [UInt8]?) {
    guard let equals = word.firstIndex(of: UInt8(ascii: "=")) else {
      return (PlainText.displayed(word), nil)
    }
    return (PlainText.displayed(Array(word[..<equals])), Array(word[(equals + 1)...]))
  }
}
