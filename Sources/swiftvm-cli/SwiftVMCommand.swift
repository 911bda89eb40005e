import Glibc
import Host
import SwiftVM

@main
enum SwiftVMCommand {
  static func main() {
    StandardStreams.fillGaps()
    exit(perform(arguments: processArguments).code)
  }

  private static func perform(arguments: [[UInt8]]) -> ExitStatus {
    do throws(UsageError) {
      switch try CommandParser.parse(arguments) {
      case .run(let request):
        do throws(UsageError) { return try RunCommand.perform(request) } catch {
          throw error.named(asIn: arguments)
        }
      case .check(let isQuiet): return check(isQuiet: isQuiet)
      case .help(let command): return show(HelpText.text(for: command))
      case .completion(let shell): return show(shell.script())
      case .manual: return show(ManualPage.text())
      case .control(let request): return request.perform()
      case .version: return show("swiftvm \(SwiftVMVersion.text)\n")
      }
    } catch {
      StandardError.write("swiftvm: \(error)\n")
      return .configurationError
    }
  }

  /// Whether this host can run guests, and why, unless only the exit status is wanted.
  private static func check(isQuiet: Bool) -> ExitStatus {
    let report = HostReport.ofThisHost()
    if !isQuiet {
      let status = show(report.lines.map { $0 + "\n" }.joined())
      guard status == .success else { return status }
    }
    return ExitStatus(report.verdict)
  }

  private static func show(_ text: String) -> ExitStatus {
    StandardOutput.write(text) ? .success : .hostFailure
  }

  /// The words after the program's name, as bytes: `CommandLine.arguments` repairs invalid UTF-8
  /// silently, so that a wrong name would become another one.
  private static var processArguments: [[UInt8]] {
    (1..<max(1, Int(CommandLine.argc))).compactMap { index in
      guard let word = CommandLine.unsafeArgv[index] else { return nil }
      return UnsafeRawBufferPointer(start: word, count: strlen(word)).map { $0 }
    }
  }
}
