import Host
import Virtio

extension Virtqueue {
  /// Gives back up to `limit` of the chains the driver has made available, unread, for as long as
  /// there is time; returns how many bytes they had, and whether there may be more.
  func returnUnread(
    limit: Int, using list: ChainBatch, clock: EventLoop.TurnClock, driver: any VirtioInterrupt
  ) throws(QueueFault) -> (byteCount: Int, mayBeMore: Bool) {
    var byteCount = 0
    defer { if publish() { driver.notifyUsedBuffers(queue: index) } }
    for _ in 0..<limit {
      list.removeAll()
      try gather(.readable, into: list, byteLimit: 1)
      guard let chain = list.chains.first else {
        if try enableNotifications() { continue }
        return (byteCount, false)
      }
      byteCount += chain.byteCount
      complete(chain, written: 0)
      guard clock.hasTime() else { break }
    }
    return (byteCount, true)
  }
}
