import Glibc

/// Files in whole, for logs and what /proc says.
package enum File {
  package static func contents(_ path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Failure(call: "open \(path)") }
    defer { close(file) }
    var bytes: [UInt8] = []
    while true {
      let chunk = try [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
        count = read(file, buffer.baseAddress, buffer.count)
        if count < 0 {
          count = 0
          throw Failure(call: "read \(path)")
        }
      }
      if chunk.isEmpty { return bytes }
      bytes += chunk
    }
  }

  package static func write(_ bytes: [UInt8], to path: String) throws {
    let file = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw Failure(call: "open \(path)") }
    defer { close(file) }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      guard count > 0 else { throw Failure(call: "write \(path)") }
      rest = rest.dropFirst(count)
    }
  }

  /// The file as text; empty if it is not there.
  package static func text(_ path: String) -> String {
    String(decoding: (try? contents(path)) ?? [], as: UTF8.self)
  }

  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
