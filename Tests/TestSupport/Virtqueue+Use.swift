import Virtio

extension Virtqueue {
  /// Gathers and completes the next chain, as a device does that takes one after the other; returns
  /// it, or nil where none was available. The driver sees it after `publish`.
  @discardableResult
  package func useNext(
    _ direction: BufferDirection = .readable, written: UInt32 = 0
  ) throws(QueueFault) -> ChainBatch.Chain? {
    let list = ChainBatch()
    try gather(direction, into: list, byteLimit: 1)
    guard let chain = list.chains.first else { return nil }
    complete(chain, written: written)
    return chain
  }
}
