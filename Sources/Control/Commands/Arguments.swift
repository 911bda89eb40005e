import Host

/// What a command was given, taken apart member by member. The errors' texts are QEMU's.
struct Arguments: Sendable {
  private let members: [JSONValue.Member]
  /// The names of the objects around this one, each with a dot after it.
  private let path: String
  // String keys: the program's own words.
  private var known: Set<String> = []

  init(_ members: [JSONValue.Member], path: String = "") {
    self.members = members
    self.path = path
  }

  /// A member without which there is an error.
  mutating func required<Value>(_ parameter: Parameter<Value>) throws(QMPError) -> Value {
    try parameter.read(&self)
  }

  /// A member; nil where it is not given.
  mutating func optional<Value>(_ parameter: Parameter<Value>) throws(QMPError) -> Value? {
    known.insert(parameter.name)
    return value(parameter.name) == nil ? nil : try parameter.read(&self)
  }

  /// To be called when everything that is known has been asked for: says what else was given.
  func end() throws(QMPError) {
    guard let name = firstUnknown else { return }
    throw QMPError("Parameter '\(path)\(name)' is unexpected")
  }

  /// The first member that has not been asked for.
  var firstUnknown: String? { members.first { !known.contains($0.name) }?.name }

  private func value(_ name: String) -> JSONValue? { members.first { $0.name == name }?.value }

  /// A member's value, and what it is called in errors.
  fileprivate mutating func member(_ name: String) -> (value: JSONValue?, place: String) {
    known.insert(name)
    return (value(name), path + name)
  }

  /// What has not been asked for, to be taken apart by another.
  fileprivate mutating func rest() -> Arguments {
    let rest = Arguments(members.filter { !known.contains($0.name) }, path: path)
    known.formUnion(members.map(\.name))
    return rest
  }

  /// A member without which there is an error is not given.
  func missing(_ name: String) -> QMPError { QMPError("Parameter '\(path)\(name)' is missing") }

  /// A word that is none of those a parameter knows.
  static func noSuchValue(_ name: String, _ value: String) -> QMPError {
    QMPError("Parameter '\(name)' does not accept value '\(value)'")
  }
}

/// One member of what a client has sent: what it is called, and how it is read.
///
/// The only way from a client's text to a `String` that may be compared or become a key: a name or
/// a text within the limits of `ForeignText`. All else stays bytes.
struct Parameter<Value: Sendable>: Sendable {
  let name: String
  let isOptional: Bool
  let read: @Sendable (inout Arguments) throws(QMPError) -> Value

  private init(
    _ name: String, isOptional: Bool,
    _ read: @escaping @Sendable (inout Arguments) throws(QMPError) -> Value
  ) {
    (self.name, self.isOptional, self.read) = (name, isOptional, read)
  }

  /// - Parameters:
  ///   - type: what a value of another type is refused by.
  ///   - raw: the value of that type; nil for one of another.
  ///   - convert: makes what is asked for of it; gets also what the member is called in errors.
  private init<Raw>(
    _ name: String, _ type: String, _ raw: @escaping @Sendable (JSONValue) -> Raw?,
    _ convert: @escaping @Sendable (Raw, _ place: String) throws(QMPError) -> Value
  ) {
    self.init(name, isOptional: false) { (arguments) throws(QMPError) in
      let (value, place) = arguments.member(name)
      guard let value else { throw arguments.missing(name) }
      guard let raw = raw(value) else { throw .wrongType(place, type) }
      return try convert(raw, place)
    }
  }

  private init(
    _ name: String, _ type: String, _ raw: @escaping @Sendable (JSONValue) -> Value?
  ) {
    self.init(name, type, raw) { value, _ in value }
  }

  /// The same, nil where it is not given.
  private init<Wrapped>(optional parameter: Parameter<Wrapped>) where Value == Wrapped? {
    self.init(parameter.name, isOptional: true) { (arguments) throws(QMPError) in
      try arguments.optional(parameter)
    }
  }

  /// One of a few words.
  static func choice(_ name: String, standard: Value) -> Parameter
  where Value: RawRepresentable<String> {
    Parameter(name, isOptional: true) { (arguments) throws(QMPError) in
      guard let word = try arguments.optional(.name(name)) else { return standard }
      guard let value = Value(rawValue: word) else { throw Arguments.noSuchValue(name, word) }
      return value
    }
  }
}

// MARK: Texts

extension Parameter<String> {
  /// A text of at most 4096 bytes, not all of which need be ASCII: a path, an address.
  static func text(_ name: String) -> Self {
    Self(name, "string", \.text) { (text, place) throws(QMPError) in
      try bounded(text, place, limit: ForeignText.largestText)
    }
  }

  /// A name or a word: ASCII of at most 256 bytes.
  static func name(_ name: String) -> Self { Self(name, "string", \.text, ascii) }

  /// What the guest knows a port by, or its id: at most 256 bytes, not all of which need be ASCII.
  static func portName(_ name: String) -> Self { Self(name, "string", \.text, short) }

  /// A text, a number or a truth value, as text of at most 256 bytes (QEMU's properties of devices).
  ///
  /// - Parameter isASCII: false for one that may hold other characters, too, as a port's name may.
  static func scalar(_ name: String, isASCII: Bool = true) -> Self {
    Self(
      name, "string", { $0.text ?? $0.digits ?? $0.bool.map { $0 ? "on" : "off" } },
      isASCII ? ascii : short)
  }

  @Sendable fileprivate static func ascii(
    _ text: String, _ place: String
  ) throws(QMPError) -> String {
    let text = try short(text, place)
    guard ForeignText.isName(text) else { throw QMPError("Parameter '\(place)' must be ASCII") }
    return text
  }

  @Sendable private static func short(
    _ text: String, _ place: String
  ) throws(QMPError) -> String {
    try bounded(text, place, limit: ForeignText.largestName)
  }

  private static func bounded(
    _ text: String, _ place: String, limit: Int
  ) throws(QMPError) -> String {
    guard text.utf8.count <= limit else {
      throw QMPError("Parameter '\(place)' has more than \(limit) bytes")
    }
    // Names and paths of the system's end at a NUL.
    guard !text.utf8.contains(0) else {
      throw QMPError("Parameter '\(place)' must not contain a NUL character")
    }
    return text
  }
}

extension Parameter<String?> {
  static func optionalText(_ name: String) -> Self { Self(optional: .text(name)) }
}

extension Parameter<[String]> {
  static func names(_ name: String) -> Self {
    Self(name, "array", \.elements) { (elements, place) throws(QMPError) in
      var names: [String] = []
      for (index, element) in elements.enumerated() {
        guard let text = element.text else { throw .wrongType("\(place)[\(index)]", "string") }
        names.append(try Parameter<String>.ascii(text, place))
      }
      return names
    }
  }
}

extension Parameter<[UInt8]> {
  /// The bytes of a text that is data: it may hold anything, and be as long as a message.
  static func data(_ name: String) -> Self {
    Self(name, "string") { value in value.text.map { Array($0.utf8) } }
  }
}

// MARK: Other types

extension Parameter<Int> {
  static func integer(_ name: String) -> Self { Self(name, "integer", \.integer) }

  /// A time in seconds, fractions allowed, as milliseconds.
  fileprivate static func timeout(_ name: String) -> Self {
    Self(name, "number", \.digits) { (text, place) throws(QMPError) in
      guard text.utf8.count <= ForeignText.largestName, let seconds = Double(text) else {
        throw .wrongType(place, "number")
      }
      guard seconds >= 0, seconds <= 1e9 else { throw Arguments.noSuchValue(name, text) }
      return Int(seconds * 1000)
    }
  }
}

extension Parameter<Int?> {
  static func optionalInteger(_ name: String) -> Self { Self(optional: .integer(name)) }
  static func optionalTimeout(_ name: String) -> Self { Self(optional: .timeout(name)) }
}

extension Parameter<Bool> {
  static func bool(_ name: String) -> Self { Self(name, "boolean", \.bool) }
}

extension Parameter<Arguments> {
  static func object(_ name: String) -> Self {
    Self(name, "object", \.members) { members, place in Arguments(members, path: place + ".") }
  }

  /// All that no other parameter has taken.
  ///
  /// - Parameter names: what these may be, for the manual.
  static func rest(_ names: [String]) -> Self {
    Self(names.joined(separator: " "), isOptional: true) { arguments in arguments.rest() }
  }
}

extension QMPError {
  fileprivate static func wrongType(_ place: String, _ type: String) -> QMPError {
    QMPError("Invalid parameter type for '\(place)', expected: \(type)")
  }
}
