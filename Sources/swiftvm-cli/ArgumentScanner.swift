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

  /// Scans the words that follow a command's name. Operands are words without a dash, a lone dash, and
  /// whatever follows two dashes; there are none where the command has none.
  static func scan(
    _ words: ArraySlice<[UInt8]>, of command: CommandDescription
  ) throws(UsageError) -> (matches: [GivenOption], operands: [String]) {
    let hasHelp = command.options.contains(.help)
    var scanner = ArgumentScanner(
      command: command, options: command.options + (hasHelp ? [] : [.help]), words: words)
    var hasOptionsEnded = false
    while let word = scanner.words.popFirst() {
      let isOperand =
        scanner.operands.count < command.operands.count
        && (word.first != UInt8(ascii: "-") || word.count == 1)
      if hasOptionsEnded || isOperand {
        try scanner.takeOperand(word)
      } else if !command.operands.isEmpty, word == Array("--".utf8) {
        hasOptionsEnded = true
      } else {
        try scanner.takeOption(word)
      }
    }
    return (scanner.matches, scanner.operands)
  }

  private mutating func takeOperand(_ word: [UInt8]) throws(UsageError) {
    guard operands.count < command.operands.count else {
      throw unknown([], name: PlainText.displayed(word))
    }
    guard let operand = String(validating: word, as: UTF8.self) else {
      throw UsageError(
        command.name, PlainText.displayed(word), "this word is not valid UTF-8", "give it in UTF-8")
    }
    operands.append(operand)
  }

  private mutating func takeOption(_ word: [UInt8]) throws(UsageError) {
    let (name, attached) = Self.split(word)
    guard let option = option(name) else { throw unknown(word, name: name) }
    var value = ""
    if let metavariable = option.metavariable {
      let remedy = "give \(name) \(metavariable)"
      guard let bytes = attached ?? nextValue() else {
        throw UsageError(name, "", "the value is missing", remedy)
      }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw UsageError(
          name, PlainText.displayed(bytes), "the value is not valid UTF-8", "give it in UTF-8")
      }
      guard !text.isEmpty || option.allowsEmptyValue else {
        throw UsageError(name, "", "the value is empty", remedy)
      }
      value = text
    } else if let attached {
      throw superfluous(attached, after: name)
    }
    guard option.isRepeatable || !matches.contains(where: { $0.option == option }) else {
      throw UsageError(name, value, "this option is given twice", "give it once")
    }
    matches.append(GivenOption(option: option, spelling: name, value: value))
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
      if let last = matches.last, last.option.metavariable == nil, operands.isEmpty {
        return superfluous(word, after: last.spelling)
      }
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

  func error(_ problem: String, _ remedy: String) -> UsageError {
    UsageError(spelling, value, problem, remedy)
  }

  func list(_ grammar: KeyValueList.Grammar) throws(UsageError) -> KeyValueList {
    try KeyValueList(value, option: spelling, grammar)
  }
}
