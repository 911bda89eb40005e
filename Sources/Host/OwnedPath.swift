import Glibc
import Synchronization

/// An entry of a directory that this process has made, such as a socket: it is removed with its
/// owner, if it still is this very file. One whose owner does not come to its end is removed by
/// `removeAll`.
package struct OwnedPath: ~Copyable {
  private struct Entry {
    let path: String
    let device: dev_t
    let inode: ino_t

    func remove() {
      var status = stat()
      guard lstat(path, &status) == 0 else { return }
      if status.st_dev == device, status.st_ino == inode { unlink(path) }
    }
  }

  private struct Registry {
    var entries: [UInt64: Entry] = [:]
    var nextNumber: UInt64 = 0
  }

  private static let registry = Mutex(Registry())
  private let number: UInt64

  /// Owns what is at `path` now; a symbolic link counts itself. Nil where nothing is.
  package init?(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    let entry = Entry(path: path, device: status.st_dev, inode: status.st_ino)
    number = Self.registry.withLock { registry in
      registry.nextNumber += 1
      registry.entries[registry.nextNumber] = entry
      return registry.nextNumber
    }
  }

  deinit {
    remove()
  }

  /// Removes it now: what holds the file open, and so keeps its inode from being another's, may be
  /// let go afterwards.
  package borrowing func remove() {
    let number = number
    Self.registry.withLock { $0.entries.removeValue(forKey: number) }?.remove()
  }

  /// Removes what every owner would, for a process that ends without them. Waits for no lock.
  static func removeAll() {
    _ = registry.withLockIfAvailable { registry in
      for entry in registry.entries.values { entry.remove() }
    }
  }
}
