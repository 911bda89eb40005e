import Control
import SwiftVM

/// The values of options that say where the serial console, emergency writes and control go.
enum ConsoleOptions {
  static func serial(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    if LegacyBackend.isMeant(given.value) {
      guard let backend = try LegacyBackend.read(given.value, given, &reader) else {
        throw noSuchBackend(given, LegacyBackend.forms)
      }
      reader.request.serial = backend
      return
    }
    guard given.value.contains("=") || given.value.contains(",") || given.value == "ringbuf" else {
      throw noSuchBackend(given, ["stdio", "stderr", "none", "pty", "file=PATH", "socket=PATH"])
    }
    var grammar = KeyValueList.Grammar(optional: PortKeys.consolePolicy, example: "file=PATH")
    ShortBackend.extend(&grammar, reader.keys)
    let list = try given.list(grammar)
    guard let backend = try ShortBackend.read(list, &reader, property: "serial") else {
      throw list.error("the backend is missing", "give e.g. stdio, none or file=PATH")
    }
    let overflow: VirtioConsolePortPolicy.Overflow? = try list.choice("overflow")
    guard overflow != .dropOldest else {
      throw given.error(
        "the serial console drops what is newest, or nothing", "give overflow=wait, or leave it out"
      )
    }
    reader.request.serial = backend
    reader.request.machine.serialPort.waitsForReader = overflow == .wait
  }

  static func emergency(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    if given.value == "serial" {
      reader.request.machine.emergencyOutput = .serialPort
      return
    }
    let key = given.value.prefix { $0 != "=" }
    guard ["file=", "chardev="].contains(where: { given.value.utf8.starts(with: $0.utf8) }) else {
      throw noSuchBackend(given, ["serial", "file=PATH", "chardev=ID"])
    }
    let list = try given.list(
      .init(required: [String(key)], example: key == "file" ? "file=PATH" : "chardev=ID"))
    reader.request.machine.emergencyOutput =
      if let path = list["file"] { .file(path: path) } else {
        .backend(try list.takeChardev(&reader, for: "emergency"))
      }
  }

  private static func noSuchBackend(_ given: GivenOption, _ words: [String]) -> UsageError {
    let isFile = given.value.utf8.starts(with: "file:".utf8)
    let nearest = isFile ? "file=PATH" : Suggestion.to(given.value, among: words)
    let all = words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    return given.error(
      "there is no such backend", nearest.map { "did you mean \($0)?" } ?? "give " + all)
  }

  // MARK: Control

  /// Who is served at a control socket, and what clients may do.
  private static let controlKeys = (
    optional: ["allow-uid", "allow-gid"], flags: ["host", "insecure"]
  )

  /// `--qmp`: a path, or as QEMU's `-qmp` names it.
  static func qmp(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let keys = controlKeys
    let (place, rights) = KeyValueList.split(given.value, apart: keys.optional + keys.flags)
    let list = try KeyValueList(
      rights, option: given.spelling,
      .init(optional: keys.optional, flags: keys.flags, example: "PATH,host=off"),
      given: given.value)
    let prefix = place.prefix { $0 != ":" }
    guard ["unix", "tcp", "chardev"].contains(prefix), prefix.count < place.count else {
      let others = ["stdio", "stderr", "mon:stdio", "none", "null", "pty"]
      guard !others.contains(place), !place.hasPrefix("telnet:"), !place.contains(",") else {
        throw given.error(
          "QMP is spoken on a socket", "give a path, or unix:PATH,server=on,wait=off")
      }
      return try add(.unixSocketServer(path: place), list, to: &reader)
    }
    guard let backend = try LegacyBackend.read(place, given, &reader) else {
      throw given.error("there is no such backend", "give a path, or unix:PATH,server=on,wait=off")
    }
    try add(backend, list, to: &reader)
  }

  /// `-mon chardev=ID,mode=control`.
  static func monitor(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try given.list(
      .init(
        optional: ["id", "mode"] + controlKeys.optional, flags: ["pretty"] + controlKeys.flags,
        implied: "chardev", example: "-mon chardev=ID,mode=control"))
    guard list["mode"] == "control" else {
      throw list.error("there is no human monitor", "add mode=control for QMP")
    }
    guard try list.isOn("pretty") != true else {
      throw list.error("replies come in one line each", "leave pretty out")
    }
    guard list["chardev"] != nil else {
      throw list.error("the key \"chardev\" is missing", "give -mon chardev=ID,mode=control")
    }
    try add(try list.takeChardev(&reader, for: "mon.chardev"), list, to: &reader)
  }

  /// Adds a control socket with the rights that the list gives.
  private static func add(
    _ socket: ChardevConfiguration, _ list: KeyValueList, to reader: inout RunReader
  ) throws(UsageError) {
    reader.request.machine.controlSockets.append(
      ControlSocketConfiguration(
        socket, opensHost: try list.isOn("host"), isInsecure: try list.isOn("insecure") ?? false,
        users: try list.value("allow-uid", .numbers)?.numbers ?? [],
        groups: try list.value("allow-gid", .numbers)?.numbers ?? []))
  }
}

extension KeyValueList {
  /// The backend that the key `chardev` names.
  ///
  /// - Parameter property: what it is for, as QEMU calls it.
  func takeChardev(
    _ reader: inout RunReader, for property: String
  ) throws(UsageError) -> ChardevConfiguration {
    try takeChardev(self["chardev"] ?? "", &reader, for: property)
  }

  func takeChardev(
    _ id: String, _ reader: inout RunReader, for property: String
  ) throws(UsageError) -> ChardevConfiguration {
    do throws(KeyProblem) { return try reader.takeChardev(id, for: property) } catch {
      throw self.error(error.problem, error.remedy)
    }
  }
}
