import Chardev
import Glibc
import Host

/// A value of a configuration, and the property that it is: what rules are about.
struct GivenValue {
  typealias Code = ConfigurationError.Code
  typealias Text = ConfigurationError.Text

  let property: PropertyPath
  let text: String

  init(_ value: some CustomStringConvertible, at property: PropertyPath) {
    self.property = property
    text = value.description
  }

  /// A mistake in it.
  func error(_ code: Code, _ problem: Text, _ remedy: Text) -> ConfigurationError {
    ConfigurationError(code, at: property, given: text, problem, remedy)
  }

  /// Refuses the value unless a rule holds.
  func require(
    _ holds: Bool, else code: Code, _ problem: @autoclosure () -> Text,
    _ remedy: @autoclosure () -> Text
  ) throws(ConfigurationError) {
    if !holds { throw error(code, problem(), remedy()) }
  }

  /// Refuses a number that is not within its limits.
  static func require(
    _ number: Int, in range: ClosedRange<Int>, at property: PropertyPath, _ problem: Text
  ) throws(ConfigurationError) {
    try GivenValue(number, at: property).require(
      range.contains(number), else: .outOfRange, problem,
      "give \(property, "") from \(range.lowerBound) to \(range.upperBound)")
  }
}

// Values that are names and paths of files and sockets.
extension GivenValue {
  /// Refuses what is too long for a Unix socket's address.
  ///
  /// - Parameter noun: what it is: a path or a name.
  func requireSocketLength(_ noun: String) throws(ConfigurationError) {
    try require(
      text.utf8.count <= SocketPath.maximumByteCount, else: .outOfRange,
      "the \(noun) has \(text.utf8.count) bytes, and a socket's at most 107",
      "choose a shorter \(noun)")
  }

  /// Refuses a text that cannot be a path.
  func requirePath(_ remedy: Text? = nil) throws(ConfigurationError) {
    let remedy = remedy ?? "give \(property, "PATH")"
    try require(!text.isEmpty, else: .invalid, "the path is empty", remedy)
    try require(!text.utf8.contains(0), else: .invalid, "the path holds a NUL byte", remedy)
  }

  /// What a path leads to.
  ///
  /// - Parameter noun: what it is called in an error.
  func status(
    of path: String, _ noun: String, _ remedy: Text = "check the path"
  ) throws(ConfigurationError) -> FileStatus {
    do throws(SystemError) { return try FileStatus(path: path) } catch {
      throw self.error(.notFound, "\(noun) \(error.pathClause)", remedy)
    }
  }

  /// Refuses a file that this process may not read.
  func requireReadable(_ noun: String) throws(ConfigurationError) {
    try require(
      access(text, R_OK) == 0, else: .unusableFile, "no permission to read \(noun)",
      "make the file readable, e.g. with chmod")
  }

  /// The place of the path in a directory that exists.
  func entry() throws(ConfigurationError) -> DirectoryPlace {
    try requirePath()
    let bytes = Array(text.utf8)
    let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
    let name = Array(bytes[(slash.map { $0 + 1 } ?? 0)...])
    try require(
      ![[], Array(".".utf8), Array("..".utf8)].contains(name), else: .unusableFile,
      "the path is a directory's", "add a file name to it")
    // The root directory's own slash stays.
    let directory = slash.map { String(decoding: bytes[..<max($0, 1)], as: UTF8.self) } ?? "."
    let quoted = PlainText.quoted(directory)
    let status = try status(
      of: directory, "the directory \(quoted)", "make the directory, or choose another path")
    try require(
      status.kind == .directory, else: .unusableFile, "\(quoted) is not a directory",
      "choose another path")
    return DirectoryPlace(path: directory, directory: status.identity, name: name)
  }

  /// Refuses a new entry of a directory in which this process may not write.
  func requireWritable(_ place: DirectoryPlace) throws(ConfigurationError) {
    try require(
      access(place.path, W_OK | X_OK) == 0, else: .unusableFile,
      "no permission to write in the directory \(PlainText.quoted(place.path))",
      "choose another path")
  }
}

/// A name in an existing directory.
struct DirectoryPlace {
  /// The directory's path.
  let path: String
  let directory: FileStatus.Identity
  let name: [UInt8]
}
