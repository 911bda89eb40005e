import Host

/// What a command was given, taken apart member by member. The errors' texts are QEMU's.
///
/// The only way from a client's text to a `String` that may be compared or become a key: a name or
/// a text within the limits of `ForeignText`. All else stays bytes.
struct Arguments: Sendable {
  private let object: JSONObject
  /// The names of the objects around this one, each with a dot after it.
  private let path: String
  // String keys: the program's own words.
  private var known: Set<String> = []

  init(_ object: JSONObject, path: String = "") {
    self.object = object
    self.path = path
  }

  /// To be called when everything that is known has been asked for: says what else was given.
  func end() throws(QMPError) {
    guard let name = firstUnknown else { return }
    throw QMPError("Parameter '\(path)\(name)' is unexpected")
  }

  /// What has not been asked for, to be taken apart by another.
  mutating func rest() -> Arguments {
    let rest = Arguments(JSONObject(object.members.filter { !known.contains($0.name) }), path: path)
    known.formUnion(object.members.map(\.name))
    return rest
  }

  /// The first member that has not been asked for.
  var firstUnknown: String? { object.members.first { !known.contains($0.name) }?.name }

  // MARK: Kinds of values

  /// A text of at most 4096 bytes, not all of which need be ASCII: a path, an address.
  mutating func optionalText(_ name: String) throws(QMPError) -> String? {
    guard let text = try take(name, "string", \.text) else { return nil }
    return try bounded(text, name, limit: ForeignText.largestText)
  }

  mutating func text(_ name: String) throws(QMPError) -> String {
    try required(name, optionalText(name))
  }

  /// A name or a word: ASCII of at most 256 bytes.
  mutating func optionalName(_ name: String) throws(QMPError) -> String? {
    guard let text = try take(name, "string", \.text) else { return nil }
    return try ascii(text, name)
  }

  mutating func name(_ name: String) throws(QMPError) -> String {
    try required(name, optionalName(name))
  }

  /// What the guest knows a port by, or its id: at most 256 bytes, not all of which need be ASCII.
  mutating func portName(_ name: String) throws(QMPError) -> String {
    try bounded(
      required(name, take(name, "string", \.text)), name, limit: ForeignText.largestName)
  }

  /// The bytes of a text that is data: it may hold anything, and be as long as a message.
  mutating func data(_ name: String) throws(QMPError) -> [UInt8] {
    Array(try required(name, take(name, "string", \.text)).utf8)
  }

  mutating func optionalInteger(_ name: String) throws(QMPError) -> Int? {
    try take(name, "integer", \.integer)
  }

  mutating func integer(_ name: String) throws(QMPError) -> Int {
    try required(name, optionalInteger(name))
  }

  mutating func optionalBool(_ name: String) throws(QMPError) -> Bool? {
    try take(name, "boolean", \.bool)
  }

  mutating func optionalObject(_ name: String) throws(QMPError) -> Arguments? {
    try take(name, "object", \.object).map { Arguments($0, path: path + name + ".") }
  }

  mutating func object(_ name: String) throws(QMPError) -> Arguments {
    try required(name, optionalObject(name))
  }

  mutating func names(_ name: String) throws(QMPError) -> [String]? {
    guard let elements = try take(name, "array", \.elements) else { return nil }
    var names: [String] = []
    for (index, element) in elements.enumerated() {
      guard let text = element.text else { throw wrongType("\(name)[\(index)]", "string") }
      names.append(try ascii(text, name))
    }
    return names
  }

  /// One of a few words.
  mutating func optionalChoice<Choice: RawRepresentable<String>>(
    _ name: String
  ) throws(QMPError) -> Choice? {
    guard let text = try optionalName(name) else { return nil }
    guard let choice = Choice(rawValue: text) else { throw Self.noSuchValue(name, text) }
    return choice
  }

  /// A time in seconds, fractions allowed, as milliseconds.
  mutating func optionalTimeout(_ name: String) throws(QMPError) -> Int? {
    guard let text = try take(name, "number", \.digits) else { return nil }
    guard text.utf8.count <= ForeignText.largestName, let seconds = Double(text) else {
      throw wrongType(name, "number")
    }
    guard seconds >= 0, seconds <= 1e9 else { throw Self.noSuchValue(name, text) }
    return Int(seconds * 1000)
  }

  /// A member that is text, a number or a truth value, as text of at most 256 bytes (QEMU's
  /// properties of devices).
  ///
  /// - Parameter isASCII: false for one that may hold other characters, too, as a port's name may.
  mutating func optionalScalar(
    _ name: String, isASCII: Bool = true
  ) throws(QMPError) -> String? {
    let scalar = try take(name, "string") { value in
      value.text ?? value.digits ?? value.bool.map { $0 ? "on" : "off" }
    }
    guard let scalar else { return nil }
    return try isASCII
      ? ascii(scalar, name) : bounded(scalar, name, limit: ForeignText.largestName)
  }

  // MARK: Limits

  /// The value of a member, read as one of this type; nil where it is not given.
  private mutating func take<Value>(
    _ name: String, _ type: String, _ read: (JSONValue) -> Value?
  ) throws(QMPError) -> Value? {
    known.insert(name)
    guard let value = object[name] else { return nil }
    guard let result = read(value) else { throw wrongType(name, type) }
    return result
  }

  func required<Value>(_ name: String, _ value: Value?) throws(QMPError) -> Value {
    guard let value else { throw QMPError("Parameter '\(path)\(name)' is missing") }
    return value
  }

  private func ascii(_ text: String, _ name: String) throws(QMPError) -> String {
    let text = try bounded(text, name, limit: ForeignText.largestName)
    guard ForeignText.isName(text) else {
      throw QMPError("Parameter '\(path)\(name)' must be ASCII")
    }
    return text
  }

  private func bounded(_ text: String, _ name: String, limit: Int) throws(QMPError) -> String {
    guard text.utf8.count <= limit else {
      throw QMPError("Parameter '\(path)\(name)' has more than \(limit) bytes")
    }
    // Names and paths of the system's end at a NUL.
    guard !text.utf8.contains(0) else {
      throw QMPError("Parameter '\(path)\(name)' must not contain a NUL character")
    }
    return text
  }

  private func wrongType(_ name: String, _ type: String) -> QMPError {
    QMPError("Invalid parameter type for '\(path)\(name)', expected: \(type)")
  }

  /// A word that is none of those a parameter knows.
  static func noSuchValue(_ name: String, _ value: String) -> QMPError {
    QMPError("Parameter '\(name)' does not accept value '\(value)'")
  }
}

/// One argument of a command, as its row has it: what it is called, and how it is read.
struct Parameter<Value: Sendable>: Sendable {
  typealias Reader = @Sendable (inout Arguments, _ name: String) throws(QMPError) -> Value

  let name: String
  let isOptional: Bool
  private let reader: Reader

  fileprivate init(_ name: String, isOptional: Bool = false, _ reader: @escaping Reader) {
    (self.name, self.isOptional, self.reader) = (name, isOptional, reader)
  }

  func read(_ arguments: inout Arguments) throws(QMPError) -> Value {
    try reader(&arguments, name)
  }

  /// One of a few words.
  static func choice(_ name: String, standard: Value) -> Parameter
  where Value: RawRepresentable<String> {
    Parameter(name, isOptional: true) { (arguments, name) throws(QMPError) in
      try arguments.optionalChoice(name) ?? standard
    }
  }
}

extension Parameter<String> {
  static func name(_ name: String) -> Self {
    Self(name) { (a, n) throws(QMPError) in try a.name(n) }
  }
  static func text(_ name: String) -> Self {
    Self(name) { (a, n) throws(QMPError) in try a.text(n) }
  }
  static func portName(_ name: String) -> Self {
    Self(name) { (a, n) throws(QMPError) in try a.portName(n) }
  }
}

extension Parameter<String?> {
  static func optionalText(_ name: String) -> Self {
    Self(name, isOptional: true) { (a, n) throws(QMPError) in try a.optionalText(n) }
  }
}

extension Parameter<Int> {
  static func integer(_ name: String) -> Self {
    Self(name) { (a, n) throws(QMPError) in try a.integer(n) }
  }
}

extension Parameter<Int?> {
  static func optionalInteger(_ name: String) -> Self {
    Self(name, isOptional: true) { (a, n) throws(QMPError) in try a.optionalInteger(n) }
  }

  /// Seconds, as milliseconds.
  static func optionalTimeout(_ name: String) -> Self {
    Self(name, isOptional: true) { (a, n) throws(QMPError) in try a.optionalTimeout(n) }
  }
}

extension Parameter<[UInt8]> {
  static func data(_ name: String) -> Self {
    Self(name) { (a, n) throws(QMPError) in try a.data(n) }
  }
}

extension Parameter<Arguments> {
  static func object(_ name: String) -> Self {
    Self(name) { (a, n) throws(QMPError) in try a.object(n) }
  }

  /// All that no other parameter has taken.
  ///
  /// - Parameter names: what these may be, for the manual.
  static func rest(_ names: [String]) -> Self {
    Self(names.joined(separator: " "), isOptional: true) { (a, _) throws(QMPError) in a.rest() }
  }
}
