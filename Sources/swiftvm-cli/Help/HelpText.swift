import Control

/// The program's help, made of the table that the parser goes by.
enum HelpText {
  static let width = 80

  /// What the program is, in sentences; unwrapped.
  static let purpose =
    "swiftvm boots Linux guests under KVM with named virtio-serial channels:"
    + " /dev/virtio-ports/NAME in the guest, a Unix socket on the host."

  static let example =
    "swiftvm run --virtserialport name=org.fedoraproject.port.0,socket=/tmp/port0"

  /// The help about a command; nil for an overview.
  static func text(
    for command: CommandDescription?, _ table: CommandTable = .standard
  ) -> String {
    let sections =
      command.map { command in
        let options = KeySection(
          title: "Options", introduction: "", entries: command.options.map { ($0.usage, $0.help) })
        let sections =
          (command.options.isEmpty ? [] : [options])
          + (command.explainsKeys ? KeySection.all(table.keys) : [])
        return ["Usage: \(command.usage)\n\n" + wrapped(command.explanation)]
          + sections.map(section)
      } ?? [wrapped(purpose), usage(table), "Example:\n  \(example)\n"]
    return (sections + [exitStatuses]).joined(separator: "\n")
  }

  private static func usage(_ table: CommandTable) -> String {
    let entries =
      table.commands.map { ("swiftvm \($0.name) \($0.arguments)", $0.summary) } + [
        ("swiftvm --version", "show the version"), ("swiftvm --help", "show this help"),
      ]
    let column = (entries.map(\.0.count).max() ?? 0) + 3
    let lines = entries.map { synopsis, summary in
      "  " + synopsis + String(repeating: " ", count: column - synopsis.count) + summary + "\n"
    }
    return "Usage:\n" + lines.joined()
  }

  private static func section(_ section: KeySection) -> String {
    let entries = section.entries.map { "  \($0.usage)\n" + wrapped($0.help, indentation: 8) }
    let introduction = section.introduction
    return section.title + ":\n"
      + (introduction.isEmpty ? "" : wrapped(introduction, indentation: 2))
      + entries.joined()
  }

  private static var exitStatuses: String {
    let column = 9
    let lines = ExitStatus.meanings.map { code, meaning in
      let term = "  " + code
      return term + wrapped(meaning, indentation: column).dropFirst(min(term.count, column - 1))
    }
    return "Exit status:\n" + lines.joined()
  }

  /// The text as lines of at most `width` columns, where its words allow.
  private static func wrapped(_ text: String, indentation: Int = 0) -> String {
    let margin = String(repeating: " ", count: indentation)
    var result = ""
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, indentation + line.count + 1 + word.count > width {
        result += margin + line + "\n"
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return result + margin + line + "\n"
  }
}

/// Keys that belong together, as the help and the manual page explain them.
struct KeySection: Sendable {
  let title: String
  /// What they are, in sentences; unwrapped.
  let introduction: String
  /// Each as it is typed, with what stands for its value, and its explanation; unwrapped.
  let entries: [(usage: String, help: String)]

  /// All sections, in the order in which the help shows them.
  static func all(_ keys: BackendKeys) -> [KeySection] {
    [
      KeySection(
        title: "Backends",
        introduction: "Keys of --virtserialport, --virtconsole, --preset and --serial. With several"
          + " on one port, each gets what the guest writes, and the guest gets what comes from any.",
        entries: keys.words.map { word in
          let withValue = word.metavariable.map { "\(word.name)=\($0)" }
          let usage = [word.standsAlone ? word.name : nil, withValue].compactMap(\.self)
          return (usage.joined(separator: ", "), sentence(word.meaning))
        }),
      KeySection(
        title: "Options of backends",
        introduction: "Further keys beside these. One that fits no backend of the port is refused.",
        entries: keys.keys.map { key in
          let scope = key.purpose.scope.map { "for \($0): " } ?? ""
          let standard = key.standard.map { " Default: \($0)." } ?? ""
          return (
            key.name + (key.usage.isEmpty ? "" : "=" + key.usage),
            sentence(scope + key.meaning) + standard
          )
        }),
      KeySection(
        title: "Keys of ports",
        introduction:
          "Of --virtserialport, --virtconsole and --preset, beside the keys of backends. By"
          + " default a channel loses nothing. A console loses what its reader is too slow for, since"
          + " a guest's console driver spins until its bytes are taken.",
        entries: PortKeys.entries),
      KeySection(
        title: "Keys of devices",
        introduction: "Of --virtio-serial. Up to 31 devices fit on the PCI bus. swiftvm raises its"
          + " limit of open files (RLIMIT_NOFILE) as far as the ports need. Where the hard limit is"
          + " too low, it says how many are needed, and makes nothing.",
        entries: DeviceKey.entries),
      terminal,
    ]
  }

  private static func sentence(_ clause: String) -> String {
    clause.prefix(1).uppercased() + clause.dropFirst() + "."
  }

  /// What a person at a console can do.
  private static let terminal = KeySection(
    title: "Keys on a terminal",
    introduction: "Where a serial console or a virtconsole has standard input and output, and these"
      + " are a terminal.",
    entries: [
      ("Ctrl-A x", "ends the machine"),
      ("Ctrl-A b", "sends a break, to which Linux listens for magic SysRq keys"),
      ("Ctrl-A c", "gives the input to the next front end, with \"mux\""),
      ("Ctrl-A a", "sends Ctrl-A to the guest"),
      ("Ctrl-A h", "shows these keys"),
    ].map { ($0.0, sentence($0.1)) })
}
