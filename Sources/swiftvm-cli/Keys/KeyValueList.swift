import Control
import Host

/// A value of the form `key=value,key=value`, QEMU's way: a comma inside a value is written twice.
struct KeyValueList {
  /// What a list may hold.
  struct Grammar {
    var required: [String] = []
    var optional: [String] = []
    /// What is allowed without a value.
    var words: [String] = []
    /// Keys that are on or off; alone they mean on, with `no` before them off.
    var flags: [String] = []
    var repeatable: [String] = []
    /// The key of a first item that has none.
    var implied: String?
    /// Keys of which only some values can be honoured.
    // String keys: the program's own words; what is looked up is a name.
    var fixed: [String: FixedKey] = [:]
    /// How the whole value should look, for the remedy.
    var example: String

    /// Adds keys with their kinds: a flag may stand alone.
    mutating func add(_ rows: [(name: String, kind: ValueKind)]) {
      optional += rows.filter { $0.kind != .flag }.map(\.name)
      flags += rows.filter { $0.kind == .flag }.map(\.name)
    }

    /// The key that a word alone sets, and to what; nil where it means nothing.
    fileprivate func meaning(of word: String) -> (key: String, value: String)? {
      if words.contains(word) { return (word, "") }
      if flags.contains(word) || fixed[word] != nil { return (word, "on") }
      let positive = String(word.dropFirst(2))
      return word.hasPrefix("no") && flags.contains(positive) ? (positive, "off") : nil
    }

    fileprivate var keys: [String] { required + optional + flags + (implied.map { [$0] } ?? []) }
  }

  /// A key that is understood, but of whose values only some can be honoured.
  struct FixedKey {
    /// The values that describe what swiftvm does in any case.
    let values: [String]
    let remedy: String

    init(_ values: [String], _ remedy: String = "leave it out") {
      self.values = values
      self.remedy = remedy
    }
  }

  private let text: String
  private let option: String
  // String keys: the grammar's words; others are refused before.
  private var values: [String: String] = [:]
  private var repeated: [(key: String, value: String)] = []

  /// Reads a list, each of whose keys is given once and none with an empty value.
  ///
  /// - Parameter given: what the user gave, where that is more.
  init(
    _ text: String, option: String, _ grammar: Grammar, given: String? = nil
  ) throws(UsageError) {
    self.text = given ?? text
    self.option = option
    for (index, item) in (text.isEmpty ? [] : Self.items(of: text)).enumerated() {
      try take(item, isFirst: index == 0, grammar)
    }
    for key in grammar.required where values[key] == nil {
      throw error("the key \"\(key)\" is missing", "give " + grammar.example)
    }
  }

  private mutating func take(
    _ item: [UInt8], isFirst: Bool, _ grammar: Grammar
  ) throws(UsageError) {
    guard !item.isEmpty else {
      throw error("a key is missing before or after a comma", "give " + grammar.example)
    }
    let (word, given) = Self.split(item)
    if given == nil, isFirst, let implied = grammar.implied {
      return try insert(word, for: implied)
    }
    // What is no name is no key: it is not compared, which may take long.
    let isName = ForeignText.isName(word)
    let meant = given.map { (key: word, value: $0) } ?? (isName ? grammar.meaning(of: word) : nil)
    guard let (key, value) = meant else {
      throw error("\(PlainText.quoted(word)) is not key=value", "give " + grammar.example)
    }
    if isName, let fixed = grammar.fixed[key] {
      guard fixed.values.contains(value) else {
        let item = String(decoding: item, as: UTF8.self)
        throw error("\(PlainText.quoted(item)) is not supported", fixed.remedy)
      }
      return
    }
    if given != nil {
      guard isName, grammar.keys.contains(key) else {
        let nearest = Suggestion.to(key, among: grammar.keys)
        throw error(
          "unknown key \(PlainText.quoted(key))",
          nearest.map { "did you mean \"\($0)\"?" } ?? "give " + grammar.example)
      }
      guard !value.isEmpty else {
        throw error("the value of \"\(key)\" is empty", "give " + grammar.example)
      }
    }
    guard grammar.repeatable.contains(key) else { return try insert(value, for: key) }
    repeated.append((key, value))
    values[key] = value
  }

  private mutating func insert(_ value: String, for key: String) throws(UsageError) {
    guard values.updateValue(value, forKey: key) == nil else {
      throw error("the key \"\(key)\" is given twice", "give it once")
    }
  }

  // MARK: Errors

  func error(_ problem: String, _ remedy: String) -> UsageError {
    UsageError(option, text, problem, remedy)
  }

  /// What a body finds wrong with keys, as an error about this list.
  func check<Result>(_ body: () throws(KeyProblem) -> Result) throws(UsageError) -> Result {
    do throws(KeyProblem) { return try body() } catch {
      throw self.error(error.problem, error.remedy)
    }
  }

  // MARK: Values

  /// The value of a key; empty for a word that was given, nil for what was not.
  subscript(key: String) -> String? { values[key] }

  /// The values of a key that may be given several times, in order.
  func all(_ key: String) -> [String] { repeated.filter { $0.key == key }.map(\.value) }

  func value(_ key: String, _ kind: ValueKind) throws(UsageError) -> KeyValue? {
    guard let text = self[key] else { return nil }
    return try check { () throws(KeyProblem) in try kind.read(text, of: key) }
  }

  /// The values of those of these keys that are given.
  func values(
    _ rows: [(name: String, kind: ValueKind)]
  ) throws(UsageError) -> KeyValues {
    var values = KeyValues()
    for (name, kind) in rows { values[name] = try value(name, kind) }
    return values
  }

  /// A value that is a number: a whole one, a size, a port or a slot.
  func number(_ key: String, _ kind: ValueKind = .number) throws(UsageError) -> Int? {
    try value(key, kind)?.number
  }

  /// A value that is a port of TCP or UDP, or of the processor.
  func port(_ key: String) throws(UsageError) -> UInt16? {
    try number(key, .port).map { UInt16(clamping: $0) }
  }

  func isOn(_ key: String) throws(UsageError) -> Bool? {
    try value(key, .flag)?.isOn
  }

  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ key: String
  ) throws(UsageError) -> Choice? {
    let words = Choice.allCases.map(\.rawValue)
    return try value(key, .choice(words)).flatMap { Choice(rawValue: $0.text) }
  }

  // MARK: Text

  /// The value of the key that a first item without one has, before the rest is understood.
  static func leading(_ text: String, key: String) -> String? {
    for (index, item) in items(of: text).enumerated() {
      let (name, value) = split(item)
      if value == nil, index == 0 { return name }
      if name == key, let value { return value }
    }
    return nil
  }

  /// A list without the items of some keys, and these items as a list of their own. The first item
  /// stays.
  static func split(_ text: String, apart keys: [String]) -> (rest: String, apart: String) {
    var (rest, apart): ([String], [String]) = ([], [])
    for (index, item) in items(of: text).enumerated() {
      let key = split(item).key
      let isApart =
        index > 0 && ForeignText.isName(key) && (keys + keys.map { "no" + $0 }).contains(key)
      let word = escaped(String(decoding: item, as: UTF8.self))
      if isApart { apart.append(word) } else { rest.append(word) }
    }
    return (rest.joined(separator: ","), apart.joined(separator: ","))
  }

  /// What stands before and after the first equals sign; all of it and nil without one.
  private static func split(_ item: [UInt8]) -> (key: String, value: String?) {
    let equals = item.firstIndex(of: UInt8(ascii: "="))
    return (
      String(decoding: item[..<(equals ?? item.endIndex)], as: UTF8.self),
      equals.map { String(decoding: item[($0 + 1)...], as: UTF8.self) }
    )
  }

  /// A value as it stands in a list.
  static func escaped(_ value: String) -> String {
    let bytes = value.utf8.flatMap { $0 == UInt8(ascii: ",") ? [$0, $0] : [$0] }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Splits at single commas and makes double ones single. On bytes: to a `Character`, a comma
  /// under a combining mark is another letter.
  private static func items(of text: String) -> [[UInt8]] {
    let comma = UInt8(ascii: ",")
    var items: [[UInt8]] = [[]]
    var endsInComma = false
    for byte in text.utf8 {
      if byte != comma {
        if endsInComma { items.append([]) }
        items[items.count - 1].append(byte)
      } else if endsInComma {
        items[items.count - 1].append(comma)
      }
      endsInComma = byte == comma && !endsInComma
    }
    return endsInComma ? items + [[]] : items
  }
}
