/// What a machine may be called: a name that can be part of a file's.
enum MachineNameRules {
  static let maximumLength = 64

  static func check(_ name: String) throws(ConfigurationError) {
    func error(_ problem: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.name, value: name, problem: problem,
        remedy: "give e.g. \(OptionName.name) vm1")
    }
    guard !name.isEmpty else { throw error("the name is empty") }
    guard name.utf8.count <= maximumLength else {
      throw error("the name has \(name.utf8.count) bytes, and at most \(maximumLength) fit")
    }
    let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }
    guard isPlain, name.utf8.first != UInt8(ascii: ".") else {
      throw error(
        "the name begins with a dot, or holds \"/\", a space or a control character")
    }
  }
}
