import CKVM
import Glibc
import Host

/// An output file that has been opened, and is left as it was until it is used: what was in it goes,
/// where it is not to be added to, only when its machine begins. One that was made for a machine
/// that never begins is removed.
final class OutputFile {
  private let path: String
  private let isEmptied: Bool
  /// Where the file was made for this.
  private let made: (device: dev_t, inode: ino_t)?
  private let number: Int32
  private var hasBegun = false

  /// Opens the file, and makes it where there is none.
  init(_ path: String, appends: Bool) throws(ChardevError) {
    self.path = path
    isEmptied = !appends
    let (descriptor, isNew) = try OpenFile.forOutput(path)
    number = descriptor
    var status = stat()
    let isKnown = isNew && fstat(number, &status) == 0
    made = isKnown ? (status.st_dev, status.st_ino) : nil
  }

  deinit {
    var status = stat()
    guard !hasBegun, let made, lstat(path, &status) == 0,
      status.st_dev == made.device, status.st_ino == made.inode
    else { return }
    unlink(path)
  }

  /// The file's descriptor, which the caller takes over, once.
  func takeDescriptor() -> FileDescriptor { FileDescriptor(owning: number) }

  /// The machine begins; the descriptor is still open.
  func begin() {
    guard !hasBegun else { return }
    hasBegun = true
    // Of no effect on what is no regular file, and has nothing to lose.
    if isEmptied { _ = ftruncate(number, 0) }
  }
}
