import CKVM
import Glibc
import Host

/// A chardev that takes every byte and has none: always connected, to nobody.
package final class NullChardev: Chardev {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename = "null"
  private var loop: EventLoop?
  private var wantsWritable = false
  private var isCallPosted = false

  package init() {}

  package func start(on loop: EventLoop) throws(SystemError) {
    self.loop = loop
    loop.post { [weak self] in
      guard let self, self.loop != nil else { return }
      isConnected = true
      delegate?.chardevDidConnect(self)
    }
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    .transferred(segments.reduce(0) { $0 &+ $1.iov_len })
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    .wouldBlock
  }

  package func setWantsReadable(_ wanted: Bool) {}

  package func setWantsWritable(_ wanted: Bool) {
    wantsWritable = wanted
    guard wanted, !isCallPosted, let loop else { return }
    isCallPosted = true
    loop.post { [weak self] in self?.callWritable() }
  }

  package func stop() {
    loop = nil
    isConnected = false
  }

  private func callWritable() {
    isCallPosted = false
    guard wantsWritable, loop != nil else { return }
    delegate?.chardevIsWritable(self)
    // Still wanted: level-triggered, as everywhere.
    if wantsWritable { setWantsWritable(true) }
  }
}
