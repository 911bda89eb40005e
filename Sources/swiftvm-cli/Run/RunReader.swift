import Control
import Host
import SwiftVM

/// Reads the options of `swiftvm run` into a request.
struct RunReader {
  var request = RunRequest()
  /// The keys of backends that there are.
  let keys: BackendKeys
  private var chardevs: [ChardevConfiguration] = []
  private var takenChardevs: Set<[UInt8]> = []

  init(_ keys: BackendKeys) { self.keys = keys }

  /// Reads the values of the options given. The order matters only between devices and between ports.
  static func request(
    _ options: [GivenOption], _ keys: BackendKeys
  ) throws(UsageError) -> RunRequest {
    var reader = RunReader(keys)
    let describesChardev = { (given: GivenOption) in given.option.keys == .chardev }
    for given in options.filter(describesChardev) + options.filter({ !describesChardev($0) }) {
      try given.option.store?(&reader, given)
    }
    reader.request.characterDevices = reader.chardevs.filter { chardev in
      chardev.id.map { !reader.takenChardevs.contains(Array($0.utf8)) } ?? false
    }
    try reader.request.refuseStandardIOOfDaemon()
    return reader.request
  }

  /// Adds what a `-chardev` describes.
  mutating func add(_ chardev: ChardevConfiguration) throws(UsageError) {
    let id = chardev.id ?? ""
    guard !chardevs.contains(where: { $0.id == id }) else {
      throw UsageError(
        "-chardev", "id=" + id, "Duplicate ID '\(id)' for chardev", "give another id")
    }
    chardevs.append(chardev)
  }

  /// Takes one of them for good, unless it is shared (`mux=on`).
  ///
  /// - Parameters:
  ///   - id: its id.
  ///   - property: what it is for, as QEMU calls it.
  ///   - error: makes an error of a problem and a remedy.
  mutating func takeChardev(
    _ id: String, for property: String, orElse error: (String, String) -> UsageError
  ) throws(UsageError) -> ChardevConfiguration {
    guard let chardev = chardevs.first(where: { $0.id == id }) else {
      let nearest = Suggestion.to(id, among: chardevs.compactMap(\.id))
      throw error(
        "Property '\(property)' can't find value '\(PlainText.shortened(id))'",
        nearest.map { "did you mean chardev=\($0)?" }
          ?? "add -chardev BACKEND,id=\(PlainText.shortened(id))")
    }
    guard takenChardevs.insert(Array(id.utf8)).inserted || chardev.isMultiplexed else {
      throw error(
        "Property '\(property)' can't take value '\(id)': Device '\(id)' is in use",
        "add mux=on to that -chardev, or give every port one of its own")
    }
    return chardev
  }
}

// MARK: Values of single options

extension GivenOption {
  /// Refuses every value but these, which request what swiftvm does in any case.
  func expect(_ values: [String], _ remedy: String) throws(UsageError) {
    guard values.contains(value) else { throw error("this is not supported", remedy) }
  }

  /// A number of seconds, of a day at most.
  func seconds(_ text: String) throws(UsageError) -> Int {
    let isNumber = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard isNumber, let seconds = Int(text), seconds <= 86400 else {
      throw error("this is not a number of seconds", "give 0 to 86400")
    }
    return seconds
  }

  /// What SIGTERM leads to: seconds for the guest to power off, or nil for the machine's end.
  var powerDownSeconds: Int? {
    get throws(UsageError) {
      if value == "end" { return nil }
      if value == "powerdown" { return 60 }
      guard value.utf8.starts(with: "powerdown,".utf8) else {
        throw error("there is no such action", "give powerdown, powerdown,SECONDS or end")
      }
      return try seconds(String(value.dropFirst(10)))
    }
  }

  /// The backend of the serial console, and whether a CPU that prints waits for its reader.
  func serial(
    _ reader: inout RunReader
  ) throws(UsageError) -> (SerialPortAttachment, waitsForReader: Bool) {
    if LegacyBackend.isMeant(value) {
      if let backend = try LegacyBackend.read(value, self, &reader) { return (backend, false) }
      throw noSuchBackend(LegacyBackend.forms)
    }
    guard value.contains("=") || value.contains(",") || value == "ringbuf" else {
      throw noSuchBackend(["stdio", "stderr", "none", "pty", "file=PATH", "socket=PATH"])
    }
    var grammar = KeyValueList.Grammar(optional: PortKeys.consolePolicy, example: "file=PATH")
    ShortBackend.extend(&grammar, reader.keys)
    let list = try list(grammar)
    guard let backend = try ShortBackend.read(list, &reader, property: "serial") else {
      throw list.error("the backend is missing", "give e.g. stdio, none or file=PATH")
    }
    let overflow: VirtioConsolePortPolicy.Overflow? = try list.choice("overflow")
    guard overflow != .dropOldest else {
      throw error(
        "the serial console drops what is newest, or nothing", "give overflow=wait, or leave it out"
      )
    }
    return (backend, overflow == .wait)
  }

  /// Where emergency writes go.
  func emergency(_ reader: inout RunReader) throws(UsageError) -> EmergencyOutputAttachment {
    if value == "serial" { return .serialPort }
    let key = value.prefix { $0 != "=" }
    guard ["file=", "chardev="].contains(where: { value.utf8.starts(with: $0.utf8) }) else {
      throw noSuchBackend(["serial", "file=PATH", "chardev=ID"])
    }
    let list = try list(
      .init(required: [String(key)], example: key == "file" ? "file=PATH" : "chardev=ID"))
    if let path = list["file"] { return .file(path: path) }
    let id = list.required("chardev")
    return .hostEnd(try reader.takeChardev(id, for: "emergency") { list.error($0, $1) })
  }

  private func noSuchBackend(_ words: [String]) -> UsageError {
    let nearest =
      value.utf8.starts(with: "file:".utf8) ? "file=PATH" : Suggestion.to(value, among: words)
    let all = words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    return error("there is no such backend", nearest.map { "did you mean \($0)?" } ?? "give " + all)
  }

  /// The control socket of `--qmp`: a path, or as QEMU's `-qmp` names it.
  func controlSocket(_ reader: inout RunReader) throws(UsageError) -> ControlSocketConfiguration {
    let keys = Self.controlKeys
    let (place, rights) = KeyValueList.split(value, apart: keys.optional + keys.flags)
    let list = try KeyValueList(
      rights, option: spelling,
      .init(optional: keys.optional, flags: keys.flags, example: "PATH,host=off"), given: value)
    let prefix = place.prefix { $0 != ":" }
    guard ["unix", "tcp", "chardev"].contains(prefix), prefix.count < place.count else {
      let others = ["stdio", "stderr", "mon:stdio", "none", "null", "pty"]
      guard !others.contains(place), !place.hasPrefix("telnet:"), !place.contains(",") else {
        throw error("QMP is spoken on a socket", "give a path, or unix:PATH,server=on,wait=off")
      }
      return try list.controlSocket(.unixSocketServer(path: place))
    }
    guard let backend = try LegacyBackend.read(place, self, &reader) else {
      throw error("there is no such backend", "give a path, or unix:PATH,server=on,wait=off")
    }
    return try list.controlSocket(backend)
  }

  /// The control socket of `-mon chardev=ID,mode=control`.
  func monitor(_ reader: inout RunReader) throws(UsageError) -> ControlSocketConfiguration {
    let keys = Self.controlKeys
    let list = try list(
      .init(
        optional: ["id", "mode"] + keys.optional, flags: ["pretty"] + keys.flags,
        implied: "chardev", example: "-mon chardev=ID,mode=control"))
    guard list["mode"] == "control" else {
      throw list.error("there is no human monitor", "add mode=control for QMP")
    }
    guard try list.isOn("pretty") != true else {
      throw list.error("replies come in one line each", "leave pretty out")
    }
    guard let id = list["chardev"] else {
      throw list.error("the key \"chardev\" is missing", "give -mon chardev=ID,mode=control")
    }
    return try list.controlSocket(
      try reader.takeChardev(id, for: "mon.chardev") { list.error($0, $1) })
  }

  /// Who is served at a control socket, and what clients may do.
  private static let controlKeys = (
    optional: ["allow-uid", "allow-gid"], flags: ["host", "insecure"]
  )
}

extension KeyValueList {
  /// A control socket with the rights that the list gives.
  fileprivate func controlSocket(
    _ socket: ChardevConfiguration
  ) throws(UsageError) -> ControlSocketConfiguration {
    func numbers(_ key: String) throws(UsageError) -> [UInt32] {
      if case .numbers(let numbers) = try value(key, .numbers) { numbers } else { [] }
    }
    return ControlSocketConfiguration(
      socket, opensHost: try isOn("host"), isInsecure: try isOn("insecure") ?? false,
      users: try numbers("allow-uid"), groups: try numbers("allow-gid"))
  }
}
