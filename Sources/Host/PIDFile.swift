import Glibc

/// Why a file for the process's number cannot be had.
package enum PIDFileError: Error, Equatable, CustomStringConvertible {
  /// A process that runs holds it.
  case inUse
  /// Something else is there.
  case notAPIDFile
  /// The host refuses.
  case failed(SystemError)

  package var description: String {
    switch self {
    case .inUse: "a running process holds this file"
    case .notAPIDFile: "the path exists and holds something else than a process's number"
    case .failed(let error): "the file cannot be written: \(error)"
    }
  }
}

/// A file that holds this process's number, locked (flock(2)) as long as its owner lives, and removed
/// then.
package struct PIDFile: ~Copyable {
  private let path: String
  private let file: FileDescriptor

  /// Makes the file, or takes over one whose process has ended.
  package init(path: String) throws(PIDFileError) {
    while true {
      let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
      let number = open(path, flags, 0o644)
      guard number >= 0 else { throw .failed(.current("open")) }
      let file = FileDescriptor(owning: number)
      guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
        throw errno == EWOULDBLOCK ? .inUse : .failed(.current("flock"))
      }
      // Its last owner may have removed it between the two calls.
      guard Self.isFile(number, at: path) else { continue }
      try Self.checkContent(of: number)
      try Self.writeNumber(to: number)
      self.path = path
      self.file = file
      return
    }
  }

  deinit {
    if Self.isFile(file.rawValue, at: path) { unlink(path) }
  }

  private static func isFile(_ number: Int32, at path: String) -> Bool {
    var opened = stat()
    var found = stat()
    guard fstat(number, &opened) == 0, stat(path, &found) == 0 else { return false }
    return opened.st_dev == found.st_dev && opened.st_ino == found.st_ino
  }

  /// Nothing but a number may be overwritten.
  private static func checkContent(of number: Int32) throws(PIDFileError) {
    var status = stat()
    guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .notAPIDFile
    }
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(number, &bytes, bytes.count, 0)
    guard count >= 0 else { throw .failed(.current("pread")) }
    let isNumber = bytes.prefix(count).allSatisfy { byte in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || " \n".utf8.contains(byte)
    }
    guard count < bytes.count, isNumber else { throw .notAPIDFile }
  }

  private static func writeNumber(to number: Int32) throws(PIDFileError) {
    let text = Array("\(getpid())\n".utf8)
    guard ftruncate(number, 0) == 0, pwrite(number, text, text.count, 0) == text.count else {
      throw .failed(.current("pwrite"))
    }
  }
}
