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

  /// A text of at most 4096 bytes, not all of which need be ASCII: a path, an address.
  mutating func optionalText(_ name: String) throws(QMPError) -> String? {
    guard let value = take(name) else { return nil }
    guard let text = value.text else { throw wrongType(name, "string") }
    return try bounded(text, name, limit: ForeignText.largestText)
  }

  mutating func text(_ name: String) throws(QMPError) -> String {
    guard let value = try optionalText(name) else { throw missing(name) }
    return value
  }

  /// A name or a word: ASCII of at most 256 bytes.
  mutating func optionalName(_ name: String) throws(QMPError) -> String? {
    guard let value = take(name) else { return nil }
    guard let text = value.text else { throw wrongType(name, "string") }
    return try self.name(text, name)
  }

  mutating func name(_ name: String) throws(QMPError) -> String {
    guard let value = try optionalName(name) else { throw missing(name) }
    return value
  }

  mutating func optionalInteger(_ name: String) throws(QMPError) -> Int? {
    guard let value = take(name) else { return nil }
    guard let number = value.integer else { throw wrongType(name, "integer") }
    return number
  }

  mutating func integer(_ name: String) throws(QMPError) -> Int {
    guard let value = try optionalInteger(name) else { throw missing(name) }
    return value
  }

  mutating func optionalBool(_ name: String) throws(QMPError) -> Bool? {
    guard let value = take(name) else { return nil }
    guard let truth = value.bool else { throw wrongType(name, "boolean") }
    return truth
  }

  mutating func optionalObject(_ name: String) throws(QMPError) -> Arguments? {
    guard let value = take(name) else { return nil }
    guard let object = value.object else { throw wrongType(name, "object") }
    return Arguments(object, path: path + name + ".")
  }

  mutating func object(_ name: String) throws(QMPError) -> Arguments {
    guard let value = try optionalObject(name) else { throw missing(name) }
    return value
  }

  mutating func names(_ name: String) throws(QMPError) -> [String]? {
    guard let value = take(name) else { return nil }
    guard let elements = value.elements else { throw wrongType(name, "array") }
    var names: [String] = []
    for (index, element) in elements.enumerated() {
      guard let text = element.text else { throw wrongType("\(name)[\(index)]", "string") }
      names.append(try self.name(text, name))
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

  /// A word that is none of those a parameter knows.
  static func noSuchValue(_ name: String, _ value: String) -> QMPError {
    QMPError("Parameter '\(name)' does not accept value '\(value)'")
  }

  // MARK: Other kinds of values

  /// The bytes of a text that is data: it may hold anything, and be as long as a message.
  mutating func data(_ name: String) throws(QMPError) -> [UInt8] {
    guard let value = take(name) else { throw missing(name) }
    guard let text = value.text else { throw wrongType(name, "string") }
    return Array(text.utf8)
  }

  /// What the guest knows a port by, or its id: at most 256 bytes, not all of which need be ASCII.
  mutating func portName(_ name: String) throws(QMPError) -> String {
    guard let value = take(name) else { throw missing(name) }
    guard let text = value.text else { throw wrongType(name, "string") }
    return try bounded(text, name, limit: ForeignText.largestName)
  }

  /// A time in seconds, fractions allowed, as milliseconds.
  mutating func optionalTimeout(_ name: String) throws(QMPError) -> Int? {
    guard let value = take(name) else { return nil }
    guard case .number(let text) = value, text.utf8.count <= ForeignText.largestName,
      let seconds = Double(text)
    else {
      throw wrongType(name, "number")
    }
    guard seconds >= 0, seconds <= 1e9 else {
      throw Self.noSuchValue(name, text)
    }
    return Int(seconds * 1000)
  }

  /// A member that is text, a number or a truth value, as text of at most 256 bytes (QEMU's
  /// properties of devices).
  ///
  /// - Parameter isASCII: false for one that may hold other characters, too, as a port's name may.
  mutating func optionalScalar(
    _ name: String, isASCII: Bool = true
  ) throws(QMPError) -> String? {
    guard let value = take(name) else { return nil }
    let text: String
    switch value {
    case .number(let digits): text = digits
    case .bool(let isOn): text = isOn ? "on" : "off"
    case .string(let string): text = string
    default: throw wrongType(name, "string")
    }
    return try isASCII
      ? self.name(text, name) : bounded(text, name, limit: ForeignText.largestName)
  }

  // MARK: Limits

  private mutating func take(_ name: String) -> JSONValue? {
    known.insert(name)
    return object[name]
  }

  private func name(_ text: String, _ name: String) throws(QMPError) -> String {
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

  private func missing(_ name: String) -> QMPError {
    QMPError("Parameter '\(path)\(name)' is missing")
  }

  private func wrongType(_ name: String, _ type: String) -> QMPError {
    QMPError("Invalid parameter type for '\(path)\(name)', expected: \(type)")
  }
}

/// One argument of a command, as its row has it: what it is called, and how it is read.
struct Parameter<Value: Sendable>: Sendable {
  let name: String
  let isOptional: Bool
  let read: @Sendable (inout Arguments) throws(QMPError) -> Value

  fileprivate init(
    _ name: String, isOptional: Bool = false,
    _ read: @escaping @Sendable (inout Arguments) throws(QMPError) -> Value
  ) {
    (self.name, self.isOptional, self.read) = (name, isOptional, read)
  }

  /// One of a few words.
  static func choice(_ name: String, standard: Value) -> Parameter
  where Value: RawRepresentable<String> & CaseIterable {
    Parameter(name, isOptional: true) { (arguments) throws(QMPError) in
      try arguments.optionalChoice(name) ?? standard
    }
  }
}

extension Parameter<String> {
  static func name(_ name: String) -> Self {
    Self(name) { (arguments) throws(QMPError) in try arguments.name(name) }
  }

  static func text(_ name: String) -> Self {
    Self(name) { (arguments) throws(QMPError) in try arguments.text(name) }
  }

  static func portName(_ name: String) -> Self {
    Self(name) { (arguments) throws(QMPError) in try arguments.portName(name) }
  }
}

extension Parameter<String?> {
  static func optionalText(_ name: String) -> Self {
    Self(name, isOptional: true) { (arguments) throws(QMPError) in
      try arguments.optionalText(name)
    }
  }
}

extension Parameter<Int> {
  static func integer(_ name: String) -> Self {
    Self(name) { (arguments) throws(QMPError) in try arguments.integer(name) }
  }
}

extension Parameter<Int?> {
  static func optionalInteger(_ name: String) -> Self {
    Self(name, isOptional: true) { (arguments) throws(QMPError) in
      try arguments.optionalInteger(name)
    }
  }

  /// Seconds, as milliseconds.
  static func optionalTimeout(_ name: String) -> Self {
    Self(name, isOptional: true) { (arguments) throws(QMPError) in
      try arguments.optionalTimeout(name)
    }
  }
}

extension Parameter<[UInt8]> {
  static func data(_ name: String) -> Self {
    Self(name) { (arguments) throws(QMPError) in try arguments.data(name) }
  }
}

extension Parameter<Arguments> {
  static func object(_ name: String) -> Self {
    Self(name) { (arguments) throws(QMPError) in try arguments.object(name) }
  }

  /// All that no other parameter has taken.
  ///
  /// - Parameter names: what these may be, for the manual.
  static func rest(_ names: [String]) -> Self {
    Self(names.joined(separator: " "), isOptional: true) { (arguments) throws(QMPError) in
      arguments.rest()
    }
  }
}
