import CKVM
import Glibc

/// Why a file could not be mapped.
package enum MappedFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed: the file is missing, may not be read, and so on.
  case system(SystemError)
  /// The path names a directory, a device, a pipe or a socket.
  case notRegularFile

  package var description: String {
    switch self {
    case .system(let error): error.reason
    case .notRegularFile: "not a regular file"
    }
  }
}

/// A whole regular file, mapped read-only: a kernel, an initrd.
///
/// Pages are read when touched and are shared with the page cache, so size costs no memory of its
/// own. Should somebody cut the file short meanwhile, touching what is gone raises `SIGBUS`.
package struct MappedFile: ~Copyable, @unchecked Sendable {
  /// The content; valid while the owner lives. Empty for an empty file.
  package let bytes: UnsafeRawBufferPointer

  package init(path: String) throws(MappedFileError) {
    do {
      // O_NONBLOCK: opening a pipe that nobody writes must fail below, not wait here.
      let file = FileDescriptor(
        owning: try systemCall("open") { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) })
      var status = stat()
      try systemCall("fstat") { fstat(file.rawValue, &status) }
      guard status.st_mode & S_IFMT == S_IFREG else { throw MappedFileError.notRegularFile }
      bytes = try MappedFile.map(file.rawValue, count: Int(status.st_size))
    } catch let error as SystemError {
      throw .system(error)
    } catch {
      throw .notRegularFile
    }
  }

  /// Lets go of the pages touched so far, which would count as this process's memory otherwise; the
  /// next access brings them back.
  package func releasePages() {
    guard let start = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: start), bytes.count, MADV_DONTNEED)
  }

  deinit {
    guard let start = bytes.baseAddress else { return }
    munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
  }

  private static func map(
    _ file: Int32, count: Int
  ) throws(SystemError) -> UnsafeRawBufferPointer {
    // mmap(2) refuses an empty range.
    if count == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), start != MAP_FAILED else {
      throw .current("mmap")
    }
    return UnsafeRawBufferPointer(start: start, count: count)
  }
}
