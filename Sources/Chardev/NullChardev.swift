import CKVM
import Glibc
import Host

/// A chardev that takes every byte and has none: always connected, to nobody.
package final class NullChardev: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package let filename = "null"
  package var isConnected: Bool { presence.isConnected }
  private let presence = AlwaysConnected()
  private let room = AlwaysWritable()

  package init() {}

  package func start(on loop: EventLoop) throws(SystemError) {
    room.begin(on: loop) { [weak self] in
      if let self { delegate?.chardevIsWritable(self) }
    }
    presence.begin(on: loop) { [weak self] in
      if let self { delegate?.chardevDidConnect(self) }
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
    presence.end()
  }
}
