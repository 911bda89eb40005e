import Glibc
import TestSupport

/// Programs every Linux host has; a debug build's own loops over many megabytes would be too slow.
enum Tool {
  /// Runs a shell command; returns what it printed, without the last line end.
  static func shell(_ command: String, seconds: Double = 120) throws -> String {
    let results = try TemporaryDirectory()
    let process = try ChildProcess(
      ["/bin/sh", "-c", command],
      streams: .files(output: results["output"], error: results["error"]))
    let end = try process.wait(seconds: seconds)
    let output = File.text(results["output"])
    guard end == .exit(0) else {
      throw Failure("\(command): \(end): \(output)\(File.text(results["error"]))")
    }
    return output.hasSuffix("\n") ? String(output.dropLast()) : output
  }

  static func sha256(ofFile path: String) throws -> String {
    String(try shell("sha256sum '\(path)'").prefix(64))
  }

  /// Makes a file of random bytes.
  static func makeRandomFile(_ path: String, mebibytes: Int) throws {
    _ = try shell("head -c \(mebibytes << 20) /dev/urandom >'\(path)'")
  }
}
