import CKVM
import Glibc

extension EventLoop {
  /// Somebody's interest in who opens and closes one file; ends with its life.
  package final class OpeningWatch {
    fileprivate let watcher: OpeningWatcher
    fileprivate let number: Int32
    fileprivate let handler: () -> Void

    fileprivate init(_ watcher: OpeningWatcher, number: Int32, _ handler: @escaping () -> Void) {
      self.watcher = watcher
      self.number = number
      self.handler = handler
    }

    deinit {
      watcher.forget(number)
    }
  }

  /// Calls `handler` after anybody has opened or closed the file at `path`, once for many; a call
  /// may come without reason. See inotify(7).
  ///
  /// A file is watched for one at a time. All files of a loop share one inotify instance, of which
  /// a user may have few, and which goes with the last watch.
  package func watchOpenings(
    of path: String, handler: @escaping () -> Void
  ) throws(SystemError) -> OpeningWatch {
    if let openingWatcher { return try openingWatcher.watch(path, handler: handler) }
    let watcher = try OpeningWatcher(on: self)
    openingWatcher = watcher
    return try watcher.watch(path, handler: handler)
  }

  /// The files that a loop watches.
  final class OpeningWatcher {
    private struct Place {
      weak var watch: OpeningWatch?
    }

    private let descriptor: FileDescriptor
    private unowned let loop: EventLoop
    private var token: Token?
    private var places: [Int32: Place] = [:]

    fileprivate init(on loop: EventLoop) throws(SystemError) {
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

    fileprivate func watch(
      _ path: String, handler: @escaping () -> Void
    ) throws(SystemError) -> OpeningWatch {
      let number = try systemCall("inotify_add_watch '\(path)'") {
        inotify_add_watch(descriptor.rawValue, path, UInt32(IN_OPEN | IN_CLOSE))
      }
      let watch = OpeningWatch(self, number: number, handler)
      places[number] = Place(watch: watch)
      return watch
    }

    fileprivate func forget(_ number: Int32) {
      guard let place = places[number], place.watch == nil else { return }
      places[number] = nil
      // It has ended by itself if the file is gone.
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
          // Where events were lost, any file may have had one.
          if event.wd < 0 { numbers.formUnion(places.keys) } else { numbers.insert(event.wd) }
          offset += MemoryLayout<inotify_event>.size + Int(event.len)
        }
      }
      for number in numbers { places[number]?.watch?.handler() }
    }
  }
}
