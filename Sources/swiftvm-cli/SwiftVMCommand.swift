import Glibc
import Host
import SwiftVM

/// The program `swiftvm`.
@main
enum SwiftVMCommand {
  static func main() {
    StandardStreams.fillGaps()
    exit(perform(arguments: processArguments).code)
  }

  private static func perform(arguments: [[UInt8]]) -> ExitStatus {
    do throws(ConfigurationError) {
      switch try CommandParser.parse(arguments) {
      case .run(let request):
        do throws(ConfigurationError) { return try RunCommand.perform(request) } catch {
          throw error.named(asIn: arguments)
        }
      case .check(let isQuiet): return CheckCommand.perform(isQuiet: isQuiet)
      case .help(let command): return show(HelpText.text(for: command))
      case .completion(let shell): return show(shell.script)
      case .manual: return show(ManualPage.text)
      case .control(let request): return VerbCommand.perform(request)
      case .version: return show("swiftvm \(SwiftVMVersion.text)\n")
      }
    } catch {
      StandardError.write("swiftvm: \(error)\n")
      return .configurationError
    }
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
