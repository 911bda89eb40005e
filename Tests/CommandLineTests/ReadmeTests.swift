import Control
import Glibc
import Testing

@testable import SwiftVM
@testable import swiftvm_cli

/// What the README promises of the command line.
@Suite
struct ReadmeTests {
  /// The rows of the chapter "Coming from QEMU" that have a command line in each cell.
  static let pairs: [(qemu: [String], own: [String])] = {
    readme.compactMap { line in
      guard line.hasPrefix("| `-"), !line.hasPrefix("| `--") else { return nil }
      let cells = line.split(separator: "`").map { $0.split(separator: " ").map(String.init) }
      guard cells.count == 5, cells[3].first?.hasPrefix("--") == true else { return nil }
      return (cells[1], cells[3])
    }
  }()

  @Test("Each pair of command lines in \"Coming from QEMU\" makes the same machine")
  func pairsAreTheSame() throws {
    #expect(Self.pairs.count >= 10)
    for pair in Self.pairs {
      try #expect(nameless(pair.qemu) == nameless(pair.own), "\(pair)")
    }
  }

  @Test(
    "Every option is in one of the tables",
    arguments: CommandTable.run.options.map(\.name).filter {
      !["--help", "--version"].contains($0)
    })
  func namesEveryOption(name: String) {
    #expect(
      Self.readme.contains { line in
        line.hasPrefix("| ") && ["`", " "].contains { line.contains("`" + name + $0) }
      })
  }

  @Test("Every backend, and every key of one, is in one of the tables")
  func namesEveryKey() {
    #expect(Self.undocumented(BackendKeys.standard.names) == [])
  }

  /// The keys that are in none of the README's tables.
  static func undocumented(_ keys: [String]) -> [String] {
    let rows = readme.filter { $0.hasPrefix("| `") }.compactMap { $0.split(separator: " | ").first }
    return keys.filter { key in
      !rows.contains { row in row.contains("`\(key)`") || row.contains("`\(key)=") }
    }
  }

  /// What the words ask for, the ids of chardevs apart, which the short form does without.
  private func nameless(_ words: [String]) throws -> VirtualMachineConfiguration {
    guard case .run(let request) = try CommandParser.parse((["run"] + words).map { Array($0.utf8) })
    else { throw Problem.noRun }
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(
        kernelPath: request.kernelPath ?? "", commandLine: request.commandLine,
        initialRamdiskPaths: request.initialRamdiskPaths),
      cpuCount: request.cpuCount, memorySize: request.memorySize,
      consoleDevices: try request.consoleDevices,
      serialPort: SerialPortConfiguration(attachment: request.serialAttachment),
      resetPolicy: request.resetPolicy)
    configuration.name = request.name
    configuration.controlSockets = request.controlSockets.map {
      var socket = $0
      socket.socket.id = nil
      return socket
    }
    for device in configuration.consoleDevices.indices {
      for port in configuration.consoleDevices[device].ports.indices {
        configuration.consoleDevices[device].ports[port].attachment.id = nil
      }
    }
    return configuration
  }

  private enum Problem: Error { case noRun }

  private static let readme = lines(
    ofFile: "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/README.md")

  private static func lines(ofFile path: String) -> [String] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
