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

  /// Words by which QEMU's users look for it, dashes included, besides its name.
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

  /// Name and metavariable, as they are typed.
  package var usage: String {
    metavariable.map { name + " " + $0 } ?? name
  }
}
