import Control
import Host

/// Takes a command's words apart into options, their values and operands; knows nothing of what they
/// mean.
struct ArgumentScanner {
  private let command: CommandDescription
  private let options: [CommandOption]
  private var words: ArraySlice<[UInt8]>
  private var matches: [GivenOption] = []
  private var operands: [String] = []
  /// The option just before, where it takes no value.
  private var lastFlag: String?

  /// Scans the words that follow a command's name. Operands are words without a dash, a lone dash, and
  /// whatever follows two dashes; there are none where the command has none.
  static func scan(
    _ words: ArraySlice<[UInt8]>, of command: CommandDescription
  ) throws(UsageError) -> (matches: [GivenOption], operands: [String]) {
    var scanner = ArgumentScanner(command, words)
    let count = command.operands.count
    while let word = scanner.words.popFirst() {
      if count > 0, word == Array("--".utf8) {
        while let operand = scanner.words.popFirst() { try scanner.takeOperand(operand) }
      } else if scanner.operands.count < count, isOperand(word) {
        try scanner.takeOperand(word)
      } else {
        try scanner.take(word)
      }
    }
    return (scanner.matches, scanner.operands)
  }

  private init(_ command: CommandDescription, _ words: ArraySlice<[UInt8]>) {
    self.command = command
    self.words = words
    let help = CommandOption.help
    options = command.options.contains(help) ? command.options : command.options + [help]
  }

  private static func isOperand(_ word: [UInt8]) -> Bool {
    word.first != UInt8(ascii: "-") || word.count == 1
  }

  private mutating func takeOperand(_ word: [UInt8]) throws(UsageError) {
    lastFlag = nil
    guard operands.count < command.operands.count else {
      throw unknown([], name: PlainText.displayed(word))
    }
    guard let operand = String(validating: word, as: UTF8.self) else {
      throw UsageError(
        command.name, PlainText.displayed(word), "this word is not valid UTF-8", "give it in UTF-8")
    }
    operands.append(operand)
  }

  private mutating func take(_ word: [UInt8]) throws(UsageError) {
    let (name, attached) = Self.split(word)
    guard let option = option(name) else { throw unknown(word, name: name) }
    let value = try value(of: option, spelling: name, attached: attached)
    guard option.isRepeatable || !matches.contains(where: { $0.option == option }) else {
      throw UsageError(name, value, "this option is given twice", "give it once")
    }
    matches.append(GivenOption(option: option, spelling: name, value: value))
    lastFlag = option.metavariable == nil ? name : nil
  }

  private mutating func value(
    of option: CommandOption, spelling: String, attached: [UInt8]?
  ) throws(UsageError) -> String {
    guard let metavariable = option.metavariable else {
      guard let attached else { return "" }
      throw superfluous(attached, after: spelling)
    }
    guard let bytes = attached ?? nextValue() else {
      throw UsageError(spelling, "", "the value is missing", "give \(spelling) \(metavariable)")
    }
    guard let value = String(validating: bytes, as: UTF8.self) else {
      throw UsageError(
        spelling, PlainText.displayed(bytes), "the value is not valid UTF-8", "give it in UTF-8")
    }
    guard !value.isEmpty || option.allowsEmptyValue else {
      throw UsageError(spelling, "", "the value is empty", "give \(spelling) \(metavariable)")
    }
    return value
  }

  /// The next word, unless it is an option itself, so that a forgotten value shows as that.
  private mutating func nextValue() -> [UInt8]? {
    guard let word = words.first, option(Self.split(word).name) == nil else { return nil }
    return words.popFirst()
  }

  private func superfluous(_ value: [UInt8], after spelling: String) -> UsageError {
    UsageError(
      spelling, PlainText.displayed(value), "this option takes no value", "give \(spelling) alone")
  }

  private func unknown(_ word: [UInt8], name: String) -> UsageError {
    let help = "see swiftvm \(command.name) --help"
    guard word.first == UInt8(ascii: "-") else {
      // QEMU's option of that name may have one.
      if let lastFlag { return superfluous(word, after: lastFlag) }
      return UsageError(
        "", word.isEmpty ? name : PlainText.displayed(word), "unexpected argument", help)
    }
    if command.options.contains(where: { $0.store != nil }),
      let plain = CommandOption.plainName(name), let remedy = RefusedOptions.remedy(for: plain)
    {
      return UsageError(name, "", "swiftvm does not have this option of QEMU's", remedy)
    }
    let nearest = Suggestion.to(name, among: options.map(\.name))
    return UsageError(name, "", "unknown option", nearest.map { "did you mean \($0)?" } ?? help)
  }

  private func option(_ name: String) -> CommandOption? {
    guard let plain = CommandOption.plainName(name) else { return nil }
    return options.first { $0.isCalled(plain) }
  }

  /// The option's name and, where there is an equals sign, what follows it.
  private static func split(_ word: [UInt8]) -> (name: String, attached: [UInt8]?) {
    guard let equals = word.firstIndex(of: UInt8(ascii: "=")) else {
      return (PlainText.displayed(word), nil)
    }
    return (PlainText.displayed(Array(word[..<equals])), Array(word[(equals + 1)...]))
  }
}

/// One option as given.
struct GivenOption {
  let option: CommandOption
  /// The option's word as it was given.
  let spelling: String
  /// Empty for an option that takes no value.
  let value: String

  /// An error about this option.
  func error(_ problem: String, _ remedy: String) -> UsageError {
    UsageError(spelling, value, problem, remedy)
  }

  /// The value as keys and values.
  func list(_ grammar: KeyValueList.Grammar) throws(UsageError) -> KeyValueList {
    try KeyValueList(value, option: spelling, grammar)
  }
}
