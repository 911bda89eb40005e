/// One option as the command line and the help know it.
package struct CommandOption: Equatable, Sendable {
  /// The option's word, dashes included.
  package let name: String

  /// What stands for the value in the help; nil where the option takes none.
  package let metavariable: String?

  /// The explanation, unwrapped.
  package let help: String

  /// Whether it may be given more than once.
  package let isRepeatable: Bool

  /// Whether an empty value means something.
  let allowsEmptyValue: Bool

  /// What else it may be called, dashes included.
  let otherNames: [String]

  init(
    _ name: String, _ metavariable: String? = nil, isRepeatable: Bool = false,
    allowsEmptyValue: Bool = false, otherNames: [String] = [], help: String
  ) {
    self.name = name
    self.metavariable = metavariable
    self.help = help
    self.isRepeatable = isRepeatable
    self.allowsEmptyValue = allowsEmptyValue
    self.otherNames = otherNames
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
  package var usage: String {
    metavariable.map { name + " " + $0 } ?? name
  }
}
