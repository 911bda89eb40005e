import Host

/// What ids may be: QEMU's identifiers, of at most 256 bytes.
enum IdentifierRules {
  static func check(_ id: String, option: String) throws(ConfigurationError) {
    guard id.utf8.count <= ForeignText.largestName else {
      throw ConfigurationError(
        option: option, value: "id=" + id,
        problem: "the id has more than \(ForeignText.largestName) bytes",
        remedy: "give e.g. id=vs0")
    }
    guard isWellFormed(id) else {
      throw ConfigurationError(
        option: option, value: "id=" + id,
        problem: "this is no identifier: a letter, then letters, digits, \"-\", \".\" and \"_\"",
        remedy: "give e.g. id=vs0")
    }
  }

  private static func isWellFormed(_ id: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    guard let first = id.utf8.first, isLetter(first) else { return false }
    return id.utf8.allSatisfy { byte in
      isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || "-._".utf8.contains(byte)
    }
  }
}

/// The ids of devices and ports: none used twice in a machine.
struct DeviceIdentifierRules {
  private var taken: Set<[UInt8]> = []

  mutating func check(_ id: String?, option: String) throws(ConfigurationError) {
    guard let id else { return }
    try IdentifierRules.check(id, option: option)
    guard taken.insert(Array(id.utf8)).inserted else {
      throw ConfigurationError(
        option: option, value: "id=" + id, problem: "Duplicate device ID '\(id)'",
        remedy: "give another id, or none")
    }
  }
}
