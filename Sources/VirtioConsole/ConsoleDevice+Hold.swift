import Virtio

// Times in which the device leaves the guest's memory and processors alone: the machine is paused,
// or the driver has taken the right to reach memory away. Nothing is lost meanwhile: what the guest
// hands over stays in its queues, what clients send in their sockets, and messages are owed. After
// it everything is looked at anew, so that no notification is needed that came meanwhile.
extension ConsoleDevice {
  /// Why a device holds still.
  struct SuspendReasons: OptionSet {
    let rawValue: UInt8
    /// The machine is paused.
    static let paused = SuspendReasons(rawValue: 1 << 0)
    /// The transport may not reach memory.
    static let noAccess = SuspendReasons(rawValue: 1 << 1)
  }

  /// Touches neither the guest's memory nor its interrupts until `resume`, but for what is asked of
  /// the device itself. On the I/O thread, with no vCPU running.
  package func pause() { lock.withLock { hold(.paused) } }

  /// Goes on, with what has come meanwhile. On the I/O thread.
  package func resume() { lock.withLock { release(.paused) } }

  package func setReachesMemory(_ reaches: Bool) {
    if reaches { release(.noAccess) } else { hold(.noAccess) }
  }

  private func hold(_ reason: SuspendReasons) {
    guard holds.isEmpty else { return holds.formUnion(reason) }
    holds = reason
    for port in watchedPorts { port.watchedTurns = [] }
    endAllWatches()
  }

  private func release(_ reason: SuspendReasons) {
    guard holds.contains(reason) else { return }
    holds.remove(reason)
    guard holds.isEmpty, driver != nil else { return }
    hasMissedEvents = true
    madeUpPorts = 0
    if !runQueue.isEmpty { postRun() }
    postService()
  }

  /// Makes up for what could not be told the guest during a hold, for as long as there is time; before
  /// all is looked at anew. Returns whether that is done.
  func hasResumed(driver: any VirtioInterrupt) throws(QueueFault) -> Bool {
    guard hasMissedEvents else { return true }
    if owesConfigurationChange { driver.notifyConfigurationChange() }
    owesConfigurationChange = false
    for port in table.ports where port.number >= madeUpPorts {
      guard clock.hasTime() else { return false }
      try port.discardIfHostLeft(using: list, driver: driver)
      control.enqueue(port)
      resumeHandover(of: port)
      madeUpPorts = port.number + 1
    }
    hasMissedEvents = false
    return true
  }
}
