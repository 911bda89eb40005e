import Glibc

/// Why a file for the process's number cannot be made.
package enum PIDFileError: Error, Equatable, CustomStringConvertible {
  /// A running process holds it.
  case inUse
  /// Something else is there.
  case notAPIDFile
  /// The file must not be written, or the host refuses.
  case refused(FileRefusal)

  package var description: String {
    switch self {
    case .inUse: "a running process holds this file"
    case .notAPIDFile: "the path exists and holds something else than a process's number"
    case .refused(.system(let error)): "the file cannot be written: \(error)"
    case .refused(let refusal): refusal.description
    }
  }
}

/// A file that holds this process's number, locked against writers until its owner is released, and
/// removed then. Readers may lock it.
package struct PIDFile: ~Copyable {
  private let file: FileDescriptor
  /// Removes the file, also if the process ends early; nil if the file has been removed already.
  private let owned: OwnedPath?

  /// Makes the file, or takes over one whose process has ended.
  package init(path: String) throws(PIDFileError) {
    let entry = try Self.host { () throws(FileRefusal) in try DirectoryEntry(path) }
    // Processes that start or end at the same time make it begin anew, but not for ever.
    for _ in 0..<100 {
      let opened = try Self.host { () throws(FileRefusal) in try entry.openOrCreate(O_RDWR) }
      let isNew = opened.isNew
      let file = opened.file()
      let number = file.rawValue
      guard let identity = FileIdentity(of: number) else {
        throw .refused(.system(.current("fstat")))
      }
      if !isNew { try Self.checkContent(of: number) }
      let lock = WriteLock.attempt(on: number)
      if lock == .refusedByWriter { throw .inUse }
      if lock == .impossible { throw .refused(.system(.current("fcntl"))) }
      // Its last owner may have removed it before it was locked.
      guard entry.leads(to: identity) else { continue }
      if lock == .refusedByReaders {
        // Readers keep that file; the name gets a new one, which can be locked.
        entry.remove(ifLeadingTo: identity)
        guard entry.leads(to: identity) else { continue }
      }
      try Self.writeNumber(to: number)
      self.file = file
      owned = OwnedPath(path)
      return
    }
    throw .inUse
  }

  deinit { owned?.remove() }

  private static func host<Value: ~Copyable>(
    _ body: () throws(FileRefusal) -> Value
  ) throws(PIDFileError) -> Value {
    do throws(FileRefusal) { return try body() } catch { throw .refused(error) }
  }

  /// Nothing but a number may be overwritten.
  private static func checkContent(of number: Int32) throws(PIDFileError) {
    var status = stat()
    guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .notAPIDFile
    }
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(number, &bytes, bytes.count, 0)
    guard count >= 0 else { throw .refused(.system(.current("pread"))) }
    let isNumber = bytes.prefix(count).allSatisfy { byte in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || " \n".utf8.contains(byte)
    }
    guard count < bytes.count, isNumber else { throw .notAPIDFile }
  }

  private static func writeNumber(to number: Int32) throws(PIDFileError) {
    let text = Array("\(getpid())\n".utf8)
    guard ftruncate(number, 0) == 0, pwrite(number, text, text.count, 0) == text.count else {
      throw .refused(.system(.current("pwrite")))
    }
  }
}
