import Control
import Host
import SwiftVM

/// What is wrong with a command line: one line for the user, which names the option as it was given.
struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The option or the command; empty where the value says it all.
  let option: String
  /// What was given, as given; empty where nothing was.
  let value: String
  /// What is wrong with it, a clause without a full stop.
  let problem: String
  /// What to do about it, a clause without a full stop; empty where there is nothing to say.
  let remedy: String

  init(_ option: String, _ value: String = "", _ problem: String, _ remedy: String) {
    self.option = option
    self.value = value
    self.problem = problem
    self.remedy = remedy
  }

  /// For example `--memory 0: the guest needs at least 2 MiB; give e.g. --memory 512M`. Control
  /// characters are escaped, and a long option or value is shortened.
  var description: String {
    let subject = [option, value].filter { !$0.isEmpty }.map(PlainText.shortened)
      .joined(separator: " ")
    let clauses = [problem, remedy].filter { !$0.isEmpty }.map(PlainText.escaped)
      .joined(separator: "; ")
    return subject.isEmpty ? clauses : subject + ": " + clauses
  }
}

extension UsageError {
  init(_ error: ConfigurationError) {
    let (option, key) = (Self.option(of: error.property), Self.key(of: error.property))
    self.init(
      option, key.map { $0 + "=" + error.value } ?? error.value,
      error.problem.spelled(Self.setting), error.remedy.spelled(Self.setting))
  }

  private static func setting(_ path: PropertyPath, _ value: String?) -> String {
    if let key = key(of: path) { return value.map { key + "=" + $0 } ?? key }
    return option(of: path) + (value.map { " " + $0 } ?? "")
  }

  private static func key(of path: PropertyPath) -> String? {
    // All strings together have no key.
    if path == .root.oemStrings { return nil }
    let isChardev = path.components.contains(where: \.isIdentified)
    return PropertyWords.key(
      of: path.components.map(\.name), in: isChardev ? .chardev : .shortForm)
  }

  /// The option that sets a property, or that the property belongs to.
  private static func option(of path: PropertyPath) -> String {
    if path.components.contains(where: \.isIdentified) { return "-chardev" }
    if let port = path.components.first(where: { $0.name == "ports" }) {
      return port.isConsole ? "--virtconsole" : "--virtserialport"
    }
    let names = path.components.map(\.name)
    let first = names.first ?? ""
    if first == "bootLoader" {
      return names.last == "commandLine"
        ? "--append" : names.last == "initialRamdiskPaths" ? "--initrd" : "--kernel"
    }
    return options.first { $0.property == first }?.option ?? first
  }

  private static let options: [(property: String, option: String)] = [
    ("memorySize", "--memory"), ("cpuCount", "--cpus"),
    ("consoleDevices", "--virtio-serial"), ("maximumPortCount", "--virtio-serial"),
    ("serialPort", "--serial"), ("emergencyOutput", "--emergency"),
    ("characterDevices", "-chardev"), ("controlSockets", "--qmp"), ("name", "--name"),
    ("oemStrings", "-smbios"), ("debugExit", "-device isa-debug-exit"),
  ]

  /// The same error, which names the option as the user did: by another of its names, or as a
  /// `-device` where that has made the device or port.
  ///
  /// - Parameter words: the command line's.
  func named(asIn words: [[UInt8]]) -> UsageError {
    let given = words.compactMap { word in
      CommandOption.plainName(
        String(decoding: word.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self))
    }
    func isGiven(_ name: String) -> Bool {
      CommandOption.plainName(name).map(given.contains) ?? false
    }
    let ports = ["--virtserialport", "--virtconsole", "--preset"]
    var name = option
    if ports.dropLast().contains(option) || option == "--virtio-serial" {
      let others = option == "--virtio-serial" ? [option] : ports
      if !others.contains(where: isGiven), isGiven("-device") {
        name = "-device " + (CommandOption.plainName(option) ?? option)
      }
    } else if !isGiven(option) {
      let row = CommandTable.run.options.first { $0.name == option }
      name = row?.otherNames.first(where: isGiven) ?? option
    }
    return UsageError(name, value, problem, remedy)
  }
}
