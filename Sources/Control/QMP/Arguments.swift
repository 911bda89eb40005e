/// What a command was given, taken apart member by member. The errors' texts are QEMU's.
struct Arguments {
  private let object: JSONObject
  /// The names of the objects around this one, each with a dot after it.
  private let path: String
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

  /// The first member that nobody has asked for.
  var firstUnknown: String? { object.members.first { !known.contains($0.name) }?.name }

  mutating func optionalString(_ name: String) throws(QMPError) -> String? {
    guard let value = take(name) else { return nil }
    guard let text = value.text else { throw wrongType(name, "string") }
    // Most strings become names and paths of the system's, which end at a NUL.
    guard !text.utf8.contains(0) else {
      throw QMPError("Parameter '\(path)\(name)' must not contain a NUL character")
    }
    return text
  }

  mutating func string(_ name: String) throws(QMPError) -> String {
    guard let value = try optionalString(name) else { throw missing(name) }
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

  mutating func strings(_ name: String) throws(QMPError) -> [String]? {
    guard let value = take(name) else { return nil }
    guard let elements = value.elements else { throw wrongType(name, "array") }
    var strings: [String] = []
    for (index, element) in elements.enumerated() {
      guard let text = element.text else { throw wrongType("\(name)[\(index)]", "string") }
      strings.append(text)
    }
    return strings
  }

  /// One of a few words.
  mutating func optionalChoice<Choice: RawRepresentable<String>>(
    _ name: String
  ) throws(QMPError) -> Choice? {
    guard let text = try optionalString(name) else { return nil }
    guard let choice = Choice(rawValue: text) else { throw Self.noSuchValue(name, text) }
    return choice
  }

  /// A word that is none of those a parameter knows.
  static func noSuchValue(_ name: String, _ value: String) -> QMPError {
    QMPError("Parameter '\(name)' does not accept value '\(value)'")
  }

  fileprivate mutating func take(_ name: String) -> JSONValue? {
    known.insert(name)
    return object[name]
  }

  fileprivate func missing(_ name: String) -> QMPError {
    QMPError("Parameter '\(path)\(name)' is missing")
  }

  fileprivate func wrongType(_ name: String, _ type: String) -> QMPError {
    QMPError("Invalid parameter type for '\(path)\(name)', expected: \(type)")
  }
}

extension Arguments {
  /// A text that is data, and so may hold anything.
  mutating func data(_ name: String) throws(QMPError) -> String {
    guard let value = take(name) else { throw missing(name) }
    guard let text = value.text else { throw wrongType(name, "string") }
    return text
  }

  /// A time in seconds, fractions allowed, as milliseconds.
  mutating func optionalTimeout(_ name: String) throws(QMPError) -> Int? {
    guard let value = take(name) else { return nil }
    guard case .number(let text) = value, let seconds = Double(text) else {
      throw wrongType(name, "number")
    }
    guard seconds >= 0, seconds <= 1e9 else {
      throw Self.noSuchValue(name, text)
    }
    return Int(seconds * 1000)
  }

  /// A member that is text, a number or a truth value, as text (QEMU's properties of devices).
  mutating func optionalScalar(_ name: String) throws(QMPError) -> String? {
    switch take(name) {
    case .number(let text): return text
    case .bool(let value): return value ? "on" : "off"
    default: return try optionalString(name)
    }
  }
}
