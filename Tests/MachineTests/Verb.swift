import TestSupport

/// Runs one of the program's verbs to its end: its status, and what it printed on either stream.
///
/// - Parameters:
///   - control: whether it is told the control socket "qmp" in the directory; else machines are found
///     by their names.
///   - input: an open descriptor for its standard input.
func verb(
  _ words: String..., in directory: TemporaryDirectory, control: Bool = true, input: Int32? = nil
) throws -> (status: Int32?, output: String) {
  let program = try startVerb(words, in: directory, control: control, input: input)
  let ending = program.waitForEnd(seconds: 30)
  var status: Int32?
  if case .exited(let code) = ending { status = code }
  return (status, program.output + program.errorOutput)
}

/// Starts a verb.
func startVerb(
  _ words: [String], in directory: TemporaryDirectory, control: Bool = true, input: Int32? = nil
) throws -> RunningProgram {
  let target = control ? ["--control", "qmp"] : []
  return try RunningProgram(
    (words + target).map { Array($0.utf8) }, in: directory,
    environment: ["XDG_RUNTIME_DIR=" + directory.path], input: input)
}
