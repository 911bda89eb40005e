import SwiftVM

/// The host ends that `-chardev` describes, and which of them are connected to something.
struct HostEndTable {
  private var ends: [ChardevConfiguration] = []
  private var used: Set<[UInt8]> = []

  /// Adds one.
  mutating func add(_ end: ChardevConfiguration) throws(ConfigurationError) {
    guard !ends.contains(where: { $0.id == end.id }) else {
      throw ConfigurationError(
        option: OptionName.chardev, value: "id=" + (end.id ?? ""),
        problem: "Duplicate ID '\(end.id ?? "")' for chardev", remedy: "give another id")
    }
    ends.append(end)
  }

  /// Takes one for good, unless it is shared (`mux=on`).
  ///
  /// - Parameters:
  ///   - id: its id.
  ///   - property: what it is for, as QEMU calls it.
  ///   - error: makes an error of a problem and a remedy.
  mutating func take(
    _ id: String, for property: String, orElse error: (String, String) -> ConfigurationError
  ) throws(ConfigurationError) -> ChardevConfiguration {
    guard let end = ends.first(where: { $0.id == id }) else {
      let nearest = Suggestion.to(id, among: ends.compactMap(\.id))
      throw error(
        "Property '\(property)' can't find value '\(PlainText.shortened(id))'",
        nearest.map { "did you mean chardev=\($0)?" }
          ?? "add -chardev BACKEND,id=\(PlainText.shortened(id))")
    }
    guard used.insert(Array(id.utf8)).inserted || end.isMultiplexed else {
      throw error(
        "Property '\(property)' can't take value '\(id)': Device '\(id)' is in use",
        "add mux=on to that -chardev, or give every port one of its own")
    }
    return end
  }

  /// Those that nothing is connected to yet, in their order.
  var unused: [ChardevConfiguration] {
    ends.filter { end in end.id.map { !used.contains(Array($0.utf8)) } ?? false }
  }
}
