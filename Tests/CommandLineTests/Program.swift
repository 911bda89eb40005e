import TestSupport

/// The built executable, run to its end as a user would.
struct Program {
  struct Result {
    /// The exit status, or nil where a signal ended the program.
    let status: Int32?
    let output: String
    let errorOutput: String
  }

  /// Runs the program in a directory, with nothing to read and only the variables given.
  static func run(
    _ words: [[UInt8]], in directory: TemporaryDirectory, environment: [String] = [],
    launcher: [String] = []
  ) throws -> Result {
    let program = try RunningProgram(
      words, in: directory, environment: environment, launcher: launcher)
    let ending = program.waitForEnd()
    var status: Int32?
    if case .exited(let code) = ending { status = code }
    return Result(status: status, output: program.output, errorOutput: program.errorOutput)
  }
}
