import SwiftVM
import Testing
import swiftvm_cli

@Suite
struct RunRequestTests {
  /// The request that these options make.
  private func request(_ words: [String]) throws -> RunRequest {
    guard case .run(let request) = try CommandParser.parse(bytes(["run"] + words)) else {
      throw NotARun()
    }
    return request
  }

  private struct NotARun: Error {}

  /// The request with all defaults but these.
  private static func with(_ change: (inout RunRequest) -> Void) -> RunRequest {
    var request = RunRequest()
    change(&request)
    return request
  }

  private static func port(_ name: String, _ path: String) -> VirtioConsolePortConfiguration {
    VirtioConsolePortConfiguration(name: name, attachment: .unixSocketServer(path: path))
  }

  @Test func hasDefaults() throws {
    let request = try request([])
    #expect(request.kernelPath == nil)
    #expect(request.initialRamdiskPath == nil)
    #expect(request.memorySize == 512 << 20)
    #expect(request.cpuCount == 1)
    #expect(request.ports.isEmpty)
    #expect(request.serial == .standardIO)
    #expect(request.resetPolicy == .reboot)
    #expect(!request.printsTimings)
    #expect(request.commandLine == "console=ttyS0")
  }

  @Test(arguments: [
    (["--kernel", "/k"], with { $0.kernelPath = "/k" }),
    (["--kernel=/k=1"], with { $0.kernelPath = "/k=1" }),
    (["--kernel", "-k"], with { $0.kernelPath = "-k" }),
    (["--kernel", "--odd"], with { $0.kernelPath = "--odd" }),
    (["--kernel=--memory"], with { $0.kernelPath = "--memory" }),
    (["--initrd", "/i"], with { $0.initialRamdiskPath = "/i" }),
    (["--append", "a=b c"], with { $0.appendedCommandLine = "a=b c" }),
    (["--append=a=b"], with { $0.appendedCommandLine = "a=b" }),
    (["--append", "-- init"], with { $0.appendedCommandLine = "-- init" }),
    (["--append", ""], RunRequest()),
    (["--append="], RunRequest()),
    (["--memory", "1G"], with { $0.memorySize = 1 << 30 }),
    (["--memory=256"], with { $0.memorySize = 256 << 20 }),
    (["--memory=0"], with { $0.memorySize = 0 }),
    (["--cpus", "8"], with { $0.cpuCount = 8 }),
    (["--cpus=0"], with { $0.cpuCount = 0 }),
    (["--serial", "none"], with { $0.serial = .none }),
    (["--serial", "stdio"], RunRequest()),
    (["--serial", "file=/l"], with { $0.serial = .file(path: "/l") }),
    (["--serial=file=/l"], with { $0.serial = .file(path: "/l") }),
    (["--serial=file=/a,,b=c"], with { $0.serial = .file(path: "/a,b=c") }),
    (["--no-reboot"], with { $0.resetPolicy = .exit }),
    (["--timings"], with { $0.printsTimings = true }),
    (["--virtserialport", "name=n,socket=/s"], with { $0.ports = [port("n", "/s")] }),
    (["--virtserialport=socket=/s,name=n"], with { $0.ports = [port("n", "/s")] }),
    (["--virtserialport", "name=a,,b=c,socket=/s"], with { $0.ports = [port("a,b=c", "/s")] }),
    (["--virtserialport", "name=a,,,socket=/s,,"], with { $0.ports = [port("a,", "/s,")] }),
    (
      ["--virtserialport", "name=n,socket=/s", "--virtserialport=name=m,socket=/t"],
      with { $0.ports = [port("n", "/s"), port("m", "/t")] }
    ),
  ])
  func takesOptions(words: [String], expected: RunRequest) throws {
    #expect(try request(words) == expected)
  }

  @Test(arguments: [
    ([], "console=ttyS0"),
    (["--append", "quiet"], "console=ttyS0 quiet"),
    (["--serial", "none"], ""),
    (["--serial", "none", "--append", "quiet"], "quiet"),
    (["--serial", "file=/l", "--append", "quiet"], "console=ttyS0 quiet"),
    (["--no-reboot"], "console=ttyS0 panic=-1"),
    (["--append", "panic=5", "--no-reboot"], "console=ttyS0 panic=-1 panic=5"),
  ])
  func makesTheKernelCommandLine(words: [String], commandLine: String) throws {
    #expect(try request(words).commandLine == commandLine)
  }
}
