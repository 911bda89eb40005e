import CKVM
import Glibc

extension EventLoop {
  /// A watch on the openings and closings of one file; ends when it is released.
  package final class OpeningWatch {
    private let watcher: OpeningWatcher
    private let number: Int32
    fileprivate let handler: () -> Void

    fileprivate init(_ watcher: OpeningWatcher, number: Int32, _ handler: @escaping () -> Void) {
      self.watcher = watcher
      self.number = number
      self.handler = handler
    }

    deinit { watcher.forget(number) }
  }

  /// The files that a loop watches.
  final class OpeningWatcher {
    private struct Entry {
      weak var watch: OpeningWatch?
    }

    private let descriptor: FileDescriptor
    private unowned let loop: EventLoop
    private var token: Token?
    private var entries: [Int32: Entry] = [:]

    init(on loop: EventLoop) throws(SystemError) {
      let number = try systemCall("inotify_init1") {
        inotify_init1(Int32(O_NONBLOCK) | Int32(O_CLOEXEC))
      }
      descriptor = FileDescriptor(owning: number)
      self.loop = loop
      token = try loop.register(number, interest: .readable) { [weak self] _ in self?.take() }
    }

    deinit {
      if let token { loop.remove(token) }
    }

    func watch(
      _ path: String, handler: @escaping () -> Void
    ) throws(SystemError) -> OpeningWatch {
      let number = try systemCall("inotify_add_watch '\(path)'") {
        inotify_add_watch(descriptor.rawValue, path, UInt32(IN_OPEN | IN_CLOSE))
      }
      let watch = OpeningWatch(self, number: number, handler)
      entries[number] = Entry(watch: watch)
      return watch
    }

    fileprivate func forget(_ number: Int32) {
      guard let entry = entries[number], entry.watch == nil else { return }
      entries[number] = nil
      // The kernel has ended the watch already if the file was removed.
      _ = inotify_rm_watch(descriptor.rawValue, number)
    }

    private func take() {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = read(descriptor.rawValue, &buffer, buffer.count)
      guard count > 0 else { return }
      var numbers: Set<Int32> = []
      var offset = 0
      buffer.withUnsafeBytes { bytes in
        while offset + MemoryLayout<inotify_event>.size <= count {
          let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
          // After lost events, any file may have had one.
          if event.wd < 0 { numbers.formUnion(entries.keys) } else { numbers.insert(event.wd) }
          offset += MemoryLayout<inotify_event>.size + Int(event.len)
        }
      }
      for number in numbers { entries[number]?.watch?.handler() }
    }
  }
}
