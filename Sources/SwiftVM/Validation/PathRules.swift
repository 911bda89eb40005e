/// What holds for every path of the host.
enum PathRules {
  /// What is wrong with a path as a text; nil where nothing is.
  static func problem(in path: String) -> String? {
    if path.isEmpty { return "the path is empty" }
    if path.utf8.contains(0) { return "the path holds a NUL byte" }
    return nil
  }

  /// A directory's path and the name of an entry in it.
  ///
  /// - Returns: nil where the path ends in a slash or dots and so can only be a directory.
  static func split(_ path: String) -> (directory: String, name: [UInt8])? {
    let bytes = Array(path.utf8)
    let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
    let name = Array(bytes[(slash.map { $0 + 1 } ?? 0)...])
    guard !name.isEmpty, name != Array(".".utf8), name != Array("..".utf8) else { return nil }
    guard let slash else { return (".", name) }
    // The root directory's own slash stays.
    return (String(decoding: bytes[..<max(slash, 1)], as: UTF8.self), name)
  }

  /// What a file of the wrong kind is, as a clause.
  static func clause(for kind: FileStatus.Kind) -> String {
    switch kind {
    case .regular: "is a regular file"
    case .directory: "is a directory"
    case .socket: "is a socket"
    case .symbolicLink: "is a symbolic link"
    case .device: "is a device"
    case .pipe: "is a pipe"
    case .unknown: "is not a file"
    }
  }
}
