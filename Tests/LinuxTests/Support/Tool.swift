import Glibc
import TestSupport

/// Programs every Linux host has; a debug build's own loops over many megabytes would be too slow.
enum Tool {
  /// Runs a shell command; returns what it printed, without the last line end.
  static func shell(_ command: String, seconds: Double = 120) throws -> String {
    let result = try RunningProgram(["/bin/sh", "-c", command]).result(seconds: seconds)
    let output = result.output
    guard result.status == 0 else {
      let status = result.status.map { "status \($0)" } ?? "no status within \(seconds) s"
      throw Failure("\(command): \(status): \(result.allOutput)")
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
