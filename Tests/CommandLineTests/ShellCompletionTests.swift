import Glibc
import TestSupport
import Testing

@testable import swiftvm_cli

@Suite
struct ShellCompletionTests {
  /// What bash offers after these words.
  private func offers(_ words: [String]) throws -> Set<String> {
    let directory = try TemporaryDirectory()
    let script =
      ShellCompletion.bash.script() + """
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _swiftvm; printf '%s\\n' "${COMPREPLY[@]}"

        """
    let path = try directory.makeFile("script", bytes: Array(script.utf8))
    let command = (["/bin/bash", path] + words.map { "'\($0)'" })
    let pipe = try #require(popen(command.joined(separator: " "), "r"))
    defer { pclose(pipe) }
    var output: [UInt8] = []
    while case let byte = getc(pipe), byte != EOF { output.append(UInt8(byte)) }
    return Set(String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init))
  }

  @Test func bashOffersCommandsAndOptions() throws {
    try #expect(offers(["swiftvm", "ch"]) == ["check"])
    try #expect(offers(["swiftvm", "run", "--virtser"]) == ["--virtserialport"])
    try #expect(offers(["swiftvm", "completion", ""]) == ["--help", "bash", "zsh", "fish"])
    try #expect(
      Set(CommandTable.standard.commands.map(\.name)).isSubset(of: offers(["swiftvm", ""])))
  }

  @Test func bashOffersKeysOfBackends() throws {
    try #expect(offers(["swiftvm", "run", "--virtconsole", "sock"]) == ["socket="])
    // Bash takes a word apart at its equals signs.
    try #expect(
      offers(["swiftvm", "run", "--virtserialport", "name", "=", "a,rec"])
        == ["a,reconnect=", "a,reconnect-ms="])
    try #expect(offers(["swiftvm", "run", "--serial", "file", "=", "/et"]) == [])
  }

  @Test func bashOffersFilesWhereAPathBelongs() throws {
    // Nothing, so that bash offers files in its own way, with spaces and all.
    try #expect(offers(["swiftvm", "run", "--kernel", "/etc/passw"]) == [])
    #expect(ShellCompletion.bash.script().hasSuffix("complete -o default -F _swiftvm swiftvm\n"))
  }

  @Test("The file that zsh loads when it first completes completes at once")
  func zshCompletesTheFirstTime() {
    #expect(
      ShellCompletion.zsh.script().hasSuffix(
        "\n[ \"${funcstack[1]}\" != _swiftvm ] || _bash_complete -o default -F _swiftvm\n"))
  }

  @Test func fishKnowsAllKindsOfOptions() {
    let lines = ShellCompletion.fish.script().split(separator: "\n")
    let run = "complete -c swiftvm -n '__fish_seen_subcommand_from run' "
    for words in [
      "-l memory -s m -x ", "-o device -x ", "-s S ", "-l cpus -o smp -x ", "-l kernel -rF ",
    ] {
      #expect(lines.contains { $0.hasPrefix(run + words + "-d '") }, "\(words)")
    }
    for option in ["help -s h", "version"] {
      #expect(
        lines.contains {
          $0.hasPrefix("complete -c swiftvm -n __fish_use_subcommand -l \(option) -d ")
        })
    }
    // A name with dots in it ends no sentence.
    #expect(
      lines.contains {
        $0.hasSuffix(
          "-d 'A console: /dev/hvc0, hvc1... in the guest, with any backend of --virtserialport'")
      })
  }

  @Test(arguments: ShellCompletion.allCases)
  func knowsEveryOption(_ shell: ShellCompletion) {
    for option in CommandTable.standard.commands.flatMap(\.options)
    where option.name.hasPrefix("--") {
      #expect(
        shell.script().contains(option.name)
          || shell.script().contains("-l \(option.name.dropFirst(2)) "))
    }
  }
}
