import Control

/// One option, as a row: what the scanner, the help, the manual page and the shells know of it, and
/// what `swiftvm run` does with it.
struct CommandOption: Equatable, Sendable {
  let name: String
  /// What stands for the value in the help; nil where the option takes none.
  let metavariable: String?
  /// What else it may be called, dashes included.
  let otherNames: [String]
  let isRepeatable: Bool
  /// Whether an empty value means something.
  let allowsEmptyValue: Bool
  /// Where keys of backends in its value are given; nil where it has none.
  let keys: BackendKey.Place?
  let help: String
  /// Takes a value into the request of `swiftvm run`; nil for other commands' options.
  let store: Store?

  typealias Store = @Sendable (inout RunReader, GivenOption) throws(UsageError) -> Void

  init(
    _ name: String, _ metavariable: String? = nil, otherNames: [String] = [],
    isRepeatable: Bool = false, allowsEmptyValue: Bool = false, keys: BackendKey.Place? = nil,
    help: String, store: Store? = nil
  ) {
    self.name = name
    self.metavariable = metavariable
    self.otherNames = otherNames
    self.isRepeatable = isRepeatable
    self.allowsEmptyValue = allowsEmptyValue
    self.keys = keys
    self.help = help
    self.store = store
  }

  static let help = CommandOption("--help", otherNames: ["-h"], help: "Show this help.")
  static let version = CommandOption("--version", help: "Show the version.")

  /// By name, which no two options of a command share.
  static func == (first: CommandOption, second: CommandOption) -> Bool {
    first.name == second.name
  }

  /// Whether this is the option's name, or another that it may be called by.
  ///
  /// - Parameter plainName: without dashes: as in QEMU, one and two mean the same.
  func isCalled(_ plainName: String) -> Bool {
    ([name] + otherNames).contains { Self.plainName($0) == plainName }
  }

  /// An option's word without its one or two dashes; nil for a word that is not an option.
  static func plainName(_ word: String) -> String? {
    let bytes = word.utf8
    let dashes = bytes.prefix { $0 == UInt8(ascii: "-") }.count
    guard (1...2).contains(dashes), dashes < bytes.count else { return nil }
    return String(word.dropFirst(dashes))
  }

  /// Name and metavariable, as they are typed.
  var usage: String { metavariable.map { name + " " + $0 } ?? name }
}
