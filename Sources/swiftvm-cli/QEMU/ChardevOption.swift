import Control
import Host
import SwiftVM

/// QEMU's `-chardev TYPE,id=ID,key=value,…`.
enum ChardevOption {
  /// QEMU's types that swiftvm does not have, and what to take instead.
  // String keys: the program's own words; what is looked up is its user's.
  private static let refused: [String: String] = {
    let socket = "use a socket, which the viewer or a bridge connects to"
    let line = "use pty, or exec,command= with a program that talks to the device"
    return [
      "spicevmc": socket, "spiceport": socket, "qemu-vdagent": socket, "dbus": socket,
      "serial": line, "tty": line, "parallel": line, "parport": line,
      "vc": "there is no display; use stdio or pty", "console": "use stdio or pty",
      "msmouse": "leave it out", "wctablet": "leave it out", "braille": "leave it out",
      "testdev": "use -device isa-debug-exit to end with a status",
      "mux": "add mux=on to a backend",
    ]
  }()

  /// Adds the backend that a value describes to those of a reader.
  static func read(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let backend = try backend(given.value, given, &reader) { (list) throws(UsageError) in
      guard list["id"] != nil else { throw list.error("chardev: no id specified", "add id=ID") }
    }
    try reader.add(backend)
  }

  /// The backend that a value describes.
  ///
  /// - Parameters:
  ///   - value: as `-chardev` has it.
  ///   - check: looks at the keys before the backend is made.
  static func backend(
    _ value: String, _ given: GivenOption, _ reader: inout RunReader, example: String? = nil,
    check: (KeyValueList) throws(UsageError) -> Void = { _ in }
  ) throws(UsageError) -> ChardevConfiguration {
    let word = KeyValueList.leading(value, key: "backend") ?? ""
    guard let type = reader.keys.types.first(where: { $0.names.contains(word) }) else {
      throw unknownType(word, given, reader.keys)
    }
    let rows =
      type.keys.filter { $0.honoured == nil }.map { ($0.name, $0.kind) }
      + reader.keys.keys(of: type, in: .chardev)
    var grammar = KeyValueList.Grammar(
      implied: "backend", example: example ?? "-chardev \(type.example),id=ID")
    grammar.add(rows)
    for key in type.keys {
      grammar.fixed[key.name] = key.honoured.map { KeyValueList.FixedKey($0, key.remedy) }
    }
    let list = try KeyValueList(value, option: given.spelling, grammar, given: given.value)
    try check(list)
    let keys = GivenKeys(try list.values(rows), reader.keys, in: .chardev)
    var backend = try list.check { () throws(KeyProblem) in try type.configuration(keys) }
    if case .several = backend.backend {
      backend.backend = .several(try members(list, &reader))
    }
    return backend
  }

  private static func unknownType(
    _ word: String, _ given: GivenOption, _ keys: BackendKeys
  ) -> UsageError {
    if let remedy = refused[word] {
      return given.error("swiftvm has no chardev of the kind \"\(word)\"", remedy)
    }
    let names = keys.types.flatMap(\.names)
    return given.error(
      "'\(PlainText.shortened(word))' is not a valid char driver name",
      Suggestion.to(word, among: names).map { "did you mean \($0)?" }
        ?? "give one of " + names.joined(separator: ", "))
  }

  /// The backends of a hub, described before.
  private static func members(
    _ list: KeyValueList, _ reader: inout RunReader
  ) throws(UsageError) -> [ChardevConfiguration] {
    var members: [ChardevConfiguration] = []
    for id in (0..<8).compactMap({ list["chardevs.\($0)"] }) {
      members.append(try list.takeChardev(id, &reader, for: "hub.chardevs"))
    }
    guard !members.isEmpty else {
      throw list.error("the hub has no chardevs", "give chardevs.0=ID, chardevs.1=ID")
    }
    return members
  }
}
