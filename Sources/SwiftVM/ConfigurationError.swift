import Host

/// A mistake in a configuration, found before anything was created; or what the host refuses to give
/// before a machine exists: no `/dev/kvm`, no permission on it, a socket path in use.
///
/// `code` and `property` are for programs. The texts are for people, and name other properties in a form
/// that a program can spell in its own words.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What kind of mistake it is.
  public enum Code: Equatable, Sendable {
    /// Something is missing that must be there.
    case missing
    /// A value cannot be what it is, by itself.
    case invalid
    /// A number is not within its limits.
    case outOfRange
    /// Two properties, or a property and the kind of thing it is for, do not go together.
    case conflict
    /// Something that only one can have is used twice in the machine.
    case inUse
    /// A port of the device has this name or number.
    case portExists
    /// A port's number is not below the device's maximum.
    case portNumberOutOfRange
    /// The device has no number left for a port.
    case tooManyPorts
    /// There are more devices than there is room for.
    case tooManyDevices
    /// What is named does not exist.
    case notFound
    /// A file or directory is of the wrong kind, or may not be used.
    case unusableFile
    /// The machine is not in a state in which this can be done.
    case state
    /// The host refuses something.
    case host
  }

  /// What kind of mistake it is.
  public let code: Code

  /// What is wrong, seen from the machine's configuration; the root where no one property is.
  public let property: PropertyPath

  /// The value at fault; empty where there is none.
  public let value: String

  /// What is wrong with it, a clause without a full stop.
  public let problem: Text

  /// What to do about it, a clause without a full stop; empty where there is nothing to say.
  public let remedy: Text

  /// Makes an error of its parts; `description` puts them together.
  public init(
    _ code: Code, at property: PropertyPath, given value: String = "", _ problem: Text,
    _ remedy: Text = ""
  ) {
    self.code = code
    self.property = property
    self.value = value
    self.problem = problem
    self.remedy = remedy
  }

  /// The same error, of a part of something greater.
  func inside(_ path: PropertyPath) -> ConfigurationError {
    ConfigurationError(code, at: path + property, given: value, problem, remedy)
  }

  /// One line, for example `.memorySize 0: the guest needs at least 2 MiB; give e.g. .memorySize 512M`.
  /// Control characters are escaped, and a long value is shortened.
  public var description: String {
    let subject = [property.description, value].filter { !$0.isEmpty }.map(PlainText.shortened)
      .joined(separator: " ")
    let clauses = [problem.description, remedy.description].filter { !$0.isEmpty }
      .map(PlainText.escaped).joined(separator: "; ")
    return subject.isEmpty ? clauses : subject + ": " + clauses
  }

  /// A clause that may name properties, with values for them. In a literal, a path stands for the
  /// property, a path and a value for the property's being set so.
  public struct Text: Equatable, Sendable, CustomStringConvertible,
    ExpressibleByStringInterpolation,
    StringInterpolationProtocol
  {
    /// A clause takes in the pieces of its literal itself.
    public typealias StringInterpolation = Text

    private enum Piece: Equatable {
      case words(String)
      case property(PropertyPath, value: String?)
    }

    private var pieces: [Piece] = []

    /// A clause of these words.
    public init(_ text: String) { appendLiteral(text) }

    /// A clause of these words.
    public init(stringLiteral text: String) { self.init(text) }

    /// A clause of a literal's pieces.
    public init(stringInterpolation text: Text) { self = text }

    /// An empty one.
    public init(literalCapacity: Int, interpolationCount: Int) {}

    /// Adds words.
    public mutating func appendLiteral(_ literal: String) {
      if !literal.isEmpty { pieces.append(.words(literal)) }
    }

    /// Adds a value, as words.
    public mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      appendLiteral(value.description)
    }

    /// Adds a property's name.
    public mutating func appendInterpolation(_ path: PropertyPath) {
      pieces.append(.property(path, value: nil))
    }

    /// Adds a property's being set.
    public mutating func appendInterpolation(_ path: PropertyPath, _ value: String) {
      pieces.append(.property(path, value: value))
    }

    /// One clause after the other.
    public static func + (first: Text, second: Text) -> Text {
      var text = first
      text.pieces += second.pieces
      return text
    }

    /// The clause, with properties as `spell` writes them.
    ///
    /// - Parameter spell: gets the property, and its value where it is to be set.
    public func spelled(_ spell: (PropertyPath, _ value: String?) -> String) -> String {
      pieces.reduce(into: "") { text, piece in
        switch piece {
        case .words(let words): text += words
        case .property(let path, let value): text += spell(path, value)
        }
      }
    }

    /// The clause, with properties as paths.
    public var description: String {
      spelled { path, value in
        path.description + (value.map { $0.isEmpty ? "" : " " + $0 } ?? "")
      }
    }
  }
}

/// Where a property is, seen from a `VirtualMachineConfiguration`: `.memorySize`,
/// `.consoleDevices[0].ports[1].backend.socket.path`.
@dynamicMemberLookup
public struct PropertyPath: Equatable, Sendable, CustomStringConvertible {
  /// One step of a path.
  public struct Component: Equatable, Sendable {
    /// The property.
    public let name: String
    /// Which of its elements, where it has several.
    public fileprivate(set) var index: Int?
    /// Whether the element is a console port.
    package fileprivate(set) var isConsole = false
    /// Whether it is a backend that others refer to by an id.
    package fileprivate(set) var isIdentified = false
    /// Whether it is a variable of the environment.
    package fileprivate(set) var isVariable = false
  }

  /// The steps, from the outside in.
  public private(set) var components: [Component] = []

  /// The configuration itself.
  public static let root = PropertyPath()

  /// A variable of the environment, which is no part of a configuration.
  static func environment(_ name: String) -> PropertyPath {
    root.adding(Component(name: name, isVariable: true))
  }

  /// A property of what this path leads to.
  public subscript(dynamicMember name: String) -> PropertyPath { adding(Component(name: name)) }

  /// An element of the list that this path leads to.
  public subscript(index: Int) -> PropertyPath {
    var path = self
    if let last = components.indices.last { path.components[last].index = index }
    return path
  }

  /// A port of what this path leads to.
  func port(_ index: Int?, isConsole: Bool) -> PropertyPath {
    adding(Component(name: "ports", index: index, isConsole: isConsole))
  }

  /// The backend of what this path leads to.
  func backend(isIdentified: Bool) -> PropertyPath {
    adding(Component(name: "backend", isIdentified: isIdentified))
  }

  private func adding(_ component: Component) -> PropertyPath {
    self + PropertyPath(components: [component])
  }

  static func + (path: PropertyPath, rest: PropertyPath) -> PropertyPath {
    PropertyPath(components: path.components + rest.components)
  }

  /// As it is written in Swift; empty for the root.
  public var description: String {
    components.map { component in
      (component.isVariable ? "" : ".") + component.name
        + (component.index.map { "[\($0)]" } ?? "")
    }.joined()
  }
}
