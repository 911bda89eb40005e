import CKVM
import Glibc
import Host

/// An output file that has been opened, and is left as it was until it is used: what was in it goes,
/// where it is not to be added to, only when its machine begins. One that was made for a machine
/// that never begins is removed.
///
/// Bytes go to its end, wherever others have put that: a log that another program empties goes on at
/// its beginning, without a hole. A file that is emptied or rotated has one writer at a time.
final class OutputFile {
  static let access = O_WRONLY | O_APPEND

  private let isEmptied: Bool
  private let identity: FileIdentity?
  private let isNew: Bool
  private let number: Int32
  /// Where it is, until the machine begins.
  private var place: DirectoryEntry?

  /// Opens the file, and makes it where there is none.
  ///
  /// - Parameters:
  ///   - isShared: whether other programs may write to it, too.
  ///   - mode: the permissions of a file that is made.
  init(
    _ path: String, appends: Bool, isShared: Bool, mode: UInt32? = nil
  ) throws(ChardevError) {
    let place = try OpenFile.place(path)
    // /dev/stderr may lead to a file that has more than this output in it.
    let isOwn = !place.isInSystemDirectory
    do throws(FileRefusal) {
      let opened = try place.openOrCreate(Self.access, mode: mode ?? 0o600)
      isNew = opened.isNew
      let file = opened.file()
      if isOwn, !isShared, WriteLock.attempt(on: file.rawValue) == .refusedByWriter { throw .inUse }
      number = file.release()
    } catch {
      throw OpenFile.refusal(path, error)
    }
    isEmptied = isOwn && !appends
    identity = FileIdentity(of: number)
    self.place = consume place
  }

  deinit {
    guard isNew, let identity else { return }
    place?.remove(ifLeadingTo: identity)
  }

  /// The file's descriptor, which the caller takes over, once.
  func takeDescriptor() -> FileDescriptor { FileDescriptor(owning: number) }

  /// The machine begins; the descriptor is still open.
  func begin() {
    guard place.take() != nil else { return }
    // Of no effect on what is no regular file, and has nothing to lose.
    if isEmptied { _ = ftruncate(number, 0) }
  }
}
