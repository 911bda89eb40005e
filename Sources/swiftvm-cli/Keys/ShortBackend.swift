import Control
import SwiftVM

/// Backends as keys of `--virtserialport`, `--virtconsole`, `--preset` and `--serial`: a word says what
/// a backend is, and keys refine it. Several words make a port with several backends.
enum ShortBackend {
  /// Adds the words and keys to those of an option.
  static func extend(_ grammar: inout KeyValueList.Grammar, _ keys: BackendKeys) {
    grammar.optional += keys.words.filter { $0.metavariable != nil }.map(\.name)
    grammar.words += keys.words.filter(\.standsAlone).map(\.name)
    grammar.optional += keys.keys.filter { $0.kind != .flag }.map(\.name)
    grammar.flags += keys.keys.filter { $0.kind == .flag }.map(\.name)
  }

  /// The backend that a list describes; nil where it names none.
  ///
  /// - Parameter property: what it is for, as QEMU calls it.
  static func read(
    _ list: KeyValueList, _ reader: inout RunReader, property: String
  ) throws(UsageError) -> ChardevConfiguration? {
    // Standard streams come first.
    let words = reader.keys.words.filter { list[$0.name] != nil }
    let ordered = words.filter { $0.metavariable == nil } + words.filter { $0.metavariable != nil }
    let given = try list.given(
      reader.keys, in: .shortForm, for: Set<BackendKey.Target>(words.compactMap(\.target)))
    // String keys: the table's own words.
    var values: [String: String] = [:]
    for word in words { values[word.name] = list.required(word.name) }
    var members: [ChardevConfiguration] = []
    for word in ordered {
      let backend = try list.check { () throws(KeyProblem) in
        try word.make(list.required(word.name), values)
      }
      if let backend {
        members.append(ChardevConfiguration(given.refined(backend, as: word.target, waits: false)))
      }
    }
    if list["chardev"] != nil { members.append(try list.takeChardev(&reader, for: property)) }
    guard let first = members.first else { return nil }
    guard members.count > 1 || list["chardev"] == nil else {
      for key in reader.keys.keys where key.purpose.targets.isEmpty && list[key.name] != nil {
        throw list.error(
          "\"\(key.name)\" is for a backend that is described here", "give it to the -chardev")
      }
      return first
    }
    return given.completed(members.count == 1 ? first.backend : .several(members))
  }
}

extension KeyValueList {
  /// The keys of backends in this list.
  func given(
    _ keys: BackendKeys, in place: BackendKey.Place, for targets: Set<BackendKey.Target>
  ) throws(UsageError) -> GivenKeys {
    try check { () throws(KeyProblem) in
      try GivenKeys(keys, in: place, for: targets) {
        self[$0] != nil
      } value: {
        (key, name) throws(KeyProblem) in
        try key.kind.read(required(name), of: name)
      }
    }
  }
}
