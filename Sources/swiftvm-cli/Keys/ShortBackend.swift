import Control
import SwiftVM

/// Backends as keys of `--virtserialport`, `--virtconsole`, `--preset` and `--serial`: a word says what
/// a backend is, and keys refine it. Several words make a port with several backends.
enum ShortBackend {
  /// Adds the words and keys to those of an option.
  static func extend(_ grammar: inout KeyValueList.Grammar, _ keys: BackendKeys) {
    grammar.optional += keys.words.filter { $0.metavariable != nil }.map(\.name)
    grammar.words += keys.words.filter(\.standsAlone).map(\.name)
    grammar.add(keys.keys.map { ($0.name, $0.kind) })
  }

  /// The backend that a list describes; nil where it names none.
  ///
  /// - Parameter property: what it is for, as QEMU calls it.
  static func read(
    _ list: KeyValueList, _ reader: inout RunReader, property: String
  ) throws(UsageError) -> ChardevConfiguration? {
    let words = reader.keys.words.filter { list[$0.name] != nil }
    let keys = GivenKeys(
      try list.values(reader.keys.keys.map { ($0.name, $0.kind) }), reader.keys, in: .shortForm)
    let targets = Set<BackendKey.Target>(words.compactMap(\.target))
    // String keys: the table's own words.
    var values: [String: String] = [:]
    for word in words { values[word.name] = list[word.name] }
    var members: [ChardevConfiguration] = []
    try list.check { () throws(KeyProblem) in
      try keys.check(for: targets)
      // Standard streams come first.
      for word in words.filter({ $0.metavariable == nil })
        + words.filter({ $0.metavariable != nil })
      {
        guard let backend = try word.make(values[word.name] ?? "", values) else { continue }
        members.append(ChardevConfiguration(keys.refined(backend, as: word.target)))
      }
    }
    if list["chardev"] != nil { members.append(try list.takeChardev(&reader, for: property)) }
    guard let first = members.first else { return nil }
    guard members.count > 1 || list["chardev"] == nil else {
      if let key = keys.names(ofTargets: false).first {
        throw list.error(
          "\"\(key)\" is for a backend that is described here", "give it to the -chardev")
      }
      return first
    }
    return keys.completed(members.count == 1 ? first.backend : .several(members))
  }
}
