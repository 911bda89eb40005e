/// The program's help, made of the tables that the parser goes by.
package enum HelpText {
  /// What help can be about; the raw value is the command's name.
  package enum Topic: String, CaseIterable, Sendable {
    case overview = ""
    case run
    case check

    /// The commands' names, `help` included.
    static let commands = allCases.map(\.rawValue).filter { !$0.isEmpty } + ["help"]
  }

  /// The lines' longest length.
  package static let width = 80

  /// The help about a topic.
  package static func text(for topic: Topic) -> String {
    let sections =
      switch topic {
      case .overview: [overview, exitStatuses]
      case .run: [run, options(OptionTable.run), exitStatuses]
      case .check: [check, options(OptionTable.check), exitStatuses]
      }
    return sections.joined(separator: "\n")
  }

  private static let overview = """
    swiftvm boots Linux guests under KVM with named virtio-serial channels:
    /dev/virtio-ports/NAME in the guest, a Unix socket on the host.

    Usage:
      swiftvm run [OPTIONS]     boot a guest
      swiftvm check [--quiet]   tell whether this host can run guests
      swiftvm help [COMMAND]    explain a command and its options
      swiftvm --version         show the version
      swiftvm --help            show this help

    Example:
      swiftvm run --virtserialport name=org.fedoraproject.port.0,socket=/tmp/port0

    """

  private static let run = """
    Usage: swiftvm run [OPTIONS]

    Boots a Linux guest, and ends when the guest powers off. A value follows its
    option as the next word or after an equals sign (--memory 1G, --memory=1G).

    """

  private static let check = """
    Usage: swiftvm check [OPTIONS]

    Tells whether this host can run guests and, if it cannot, what to do. The exit
    status is 0 where Linux kernels run, else 1.

    """

  private static func options(_ table: [CommandOption]) -> String {
    let entries = table.map { option in
      "  \(option.usage)\n" + wrapped(option.help, indentation: 8)
    }
    return "Options:\n" + entries.joined()
  }

  private static var exitStatuses: String {
    let lines = ExitStatus.meanings.map { code, meaning in
      "  " + code + String(repeating: " ", count: max(1, 7 - code.count)) + meaning + "\n"
    }
    return "Exit status:\n" + lines.joined()
  }

  /// The text as lines of at most `width` columns, where its words allow.
  private static func wrapped(_ text: String, indentation: Int) -> String {
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
