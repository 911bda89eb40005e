import Glibc
import Host

/// A directory for one test, removed with all it holds when the last reference goes.
package final class TemporaryDirectory: Sendable {
  /// Absolute and without symbolic links.
  package let path: String

  /// Makes it, below /tmp.
  package init() throws {
    var template = Array("/tmp/swiftvm-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", errno: errno) }
    path = template.withUnsafeBufferPointer { buffer in
      String(decoding: buffer.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  deinit { Self.removeTree(path) }

  /// The path of an entry, which need not exist.
  package subscript(name: String) -> String { path + "/" + name }

  /// Makes a directory and those above it.
  @discardableResult
  package func makeDirectory(_ name: String) throws -> String {
    var made = path
    for component in name.split(separator: "/") {
      made += "/" + component
      guard mkdir(made, 0o755) == 0 || errno == EEXIST else {
        throw SystemError("mkdir", errno: errno)
      }
    }
    return made
  }

  /// Makes a file of so many zero bytes.
  @discardableResult
  package func makeFile(_ name: String, size: Int = 16, mode: mode_t = 0o644) throws -> String {
    let descriptor = open(self[name], O_CREAT | O_WRONLY | O_TRUNC, mode)
    guard descriptor >= 0 else { throw SystemError("open", errno: errno) }
    defer { close(descriptor) }
    guard ftruncate(descriptor, size) == 0 else { throw SystemError("ftruncate", errno: errno) }
    return self[name]
  }

  /// Makes a file with this content.
  @discardableResult
  package func makeFile(_ name: String, bytes: [UInt8]) throws -> String {
    try File.write(bytes, to: self[name])
    return self[name]
  }

  /// A file's content; empty where there is none.
  package func text(of name: String) -> String { File.text(self[name]) }

  @discardableResult
  package func makeLink(_ name: String, to target: String) throws -> String {
    guard symlink(target, self[name]) == 0 else { throw SystemError("symlink", errno: errno) }
    return self[name]
  }

  /// Makes a socket in the file system without a listener.
  @discardableResult
  package func makeSocket(_ name: String) throws -> String {
    guard mknod(self[name], S_IFSOCK | 0o755, 0) == 0 else {
      throw SystemError("mknod", errno: errno)
    }
    return self[name]
  }

  @discardableResult
  package func makePipe(_ name: String) throws -> String {
    guard mkfifo(self[name], 0o644) == 0 else { throw SystemError("mkfifo", errno: errno) }
    return self[name]
  }

  /// The names of everything in it, sorted.
  package var entries: [String] { Self.entries(of: path).sorted() }

  private static func entries(of path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  private static func removeTree(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      unlink(path)
      return
    }
    for name in entries(of: path) { removeTree(path + "/" + name) }
    rmdir(path)
  }
}
