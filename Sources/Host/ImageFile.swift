import CKVM
import Glibc

/// Why an image file cannot be read.
package enum ImageFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed: the file is missing, may not be read, and so on.
  case system(SystemError)
  /// The path names a directory, a device, a pipe or a socket.
  case notRegularFile
  /// Another program has written to the file, or cut it short, since it was opened.
  case changed(path: String)
  /// The file could be opened, but no longer be read.
  case unreadable(path: String, SystemError)

  /// What is wrong, as a clause.
  package var description: String {
    switch self {
    case .system(let error): error.reason
    case .notRegularFile: "not a regular file"
    case .changed(let path):
      "'\(path)' has been changed since the machine started, so that the guest cannot boot from it"
    case .unreadable(let path, let error): "'\(path)' cannot be read any more: \(error)"
    }
  }
}

/// A regular file that is read part by part: a kernel, an initrd.
///
/// It is not mapped: if another program cuts the file short, a mapping raises SIGBUS, but a read
/// fails. The bytes stay in the page cache and cost no memory of this process. A file that has lost its
/// name to another is still read. Callable on any thread.
package final class ImageFile: Sendable {
  /// Its size in bytes when it was opened.
  package let count: Int

  private let path: String
  private let file: FileDescriptor
  private let change: timespec

  /// Opens the file.
  package init(path: String) throws(ImageFileError) {
    // O_NONBLOCK: opening a pipe without a writer must fail below, not wait here.
    let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard number >= 0 else { throw .system(.current("open")) }
    let file = FileDescriptor(owning: number)
    var status = stat()
    guard fstat(number, &status) == 0 else { throw .system(.current("fstat")) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notRegularFile }
    self.path = path
    self.file = file
    count = Int(status.st_size)
    change = status.st_mtim
  }

  /// Reads the bytes from `offset` on, as many as the buffer holds.
  package func read(
    at offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ImageFileError) {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let result: Int
      do throws(SystemError) {
        result = try systemCall("pread") {
          pread(file.rawValue, rest.baseAddress, rest.count, off_t(offset + done))
        }
      } catch { throw .unreadable(path: path, error) }
      guard result > 0 else { throw .changed(path: path) }
      done += result
    }
  }

  /// Throws if the file has been changed since it was opened, and so the bytes read may have been.
  package func checkUnchanged() throws(ImageFileError) {
    var status = stat()
    guard fstat(file.rawValue, &status) == 0 else {
      throw .unreadable(path: path, .current("fstat"))
    }
    // Linux sets the time of modification before it changes a byte.
    guard Int(status.st_size) == count, status.st_mtim.tv_sec == change.tv_sec,
      status.st_mtim.tv_nsec == change.tv_nsec
    else { throw .changed(path: path) }
  }
}
