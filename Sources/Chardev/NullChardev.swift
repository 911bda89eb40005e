import CKVM
import Glibc
import Host

/// A chardev that takes every byte and has none: always connected.
package final class NullChardev: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package let filename = "null"
  package private(set) var isConnected = false
  private let room = Watch(for: .writable)
  private var isStarted = false

  package init() {}

  package func start(on loop: EventLoop) throws(SystemError) {
    try room.begin(nil, on: loop) { [weak self] in
      if let self { delegate?.chardevIsWritable(self) }
    }
    isStarted = true
    loop.post { [weak self] in
      guard let self, isStarted else { return }
      isConnected = true
      delegate?.chardevDidConnect(self)
    }
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    .transferred(segments.byteCount)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult { .wouldBlock }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    if condition.contains(.writable) { room.setWanted(isWanted) }
  }

  package func stop() {
    room.end()
    isStarted = false
    isConnected = false
  }
}
