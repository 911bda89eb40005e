import Host

/// A mistake in what the user asked for, found before anything was created.
///
/// Also what the host refuses to give before a machine exists: no `/dev/kvm`, no permission on it,
/// a socket path in use. Then `option` names the thing that was refused.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The setting as the command line names it (`--memory`), or the file or variable at fault
  /// (`/dev/kvm`).
  public let option: String

  /// What was given, as given; empty where nothing was.
  public let value: String

  /// What is wrong with it, a clause without a full stop.
  public let problem: String

  /// What to do about it, a clause without a full stop; empty where there is nothing to say.
  public let remedy: String

  /// Makes an error of its parts; `description` puts them together.
  public init(option: String, value: String = "", problem: String, remedy: String) {
    self.option = option
    self.value = value
    self.problem = problem
    self.remedy = remedy
  }

  /// One line, for example
  /// `--memory 0: the guest needs at least 2 MiB; give e.g. --memory 512M`. Control characters are
  /// escaped, and a long option or value is shortened.
  public var description: String {
    let subject = [option, value].filter { !$0.isEmpty }.map(PlainText.shortened)
      .joined(separator: " ")
    let clauses = [problem, remedy].filter { !$0.isEmpty }.map(PlainText.escaped)
      .joined(separator: "; ")
    return subject.isEmpty ? clauses : subject + ": " + clauses
  }
}
