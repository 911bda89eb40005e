/// What becomes of bytes where one side of a port is not there or not listening.
package struct PortPolicy: Equatable, Sendable {
  /// What a generic port does with bytes the guest has queued when the host's client leaves.
  package enum OnHostClose: String, CaseIterable, Sendable {
    /// They stay queued, for the next client.
    case keep
    /// They are returned to the guest as written, and counted as discarded.
    case discard
  }

  /// What happens to bytes from a client while the guest has the port closed.
  package enum Early: String, CaseIterable, Sendable {
    /// They wait until the guest opens it, even if the client leaves meanwhile.
    case hold
    /// They are read, thrown away and counted.
    case drop
  }

  /// What the host's client notices when the guest closes the port.
  package enum OnGuestClose: String, CaseIterable, Sendable {
    /// Nothing.
    case keep
    /// End of file; what the client sends is still taken.
    case shutdown
    /// The connection ends once everything the guest sent has been passed on.
    case close
  }

  /// What a console, which never holds its guest back, drops when its host end is too slow.
  package enum Overflow: String, CaseIterable, Sendable {
    /// What does not fit any more.
    case dropNewest = "drop-newest"
    /// What has waited longest: the last bytes before a crash are kept.
    case dropOldest = "drop-oldest"
  }

  package var onHostClose = OnHostClose.keep
  package var early = Early.hold
  package var onGuestClose = OnGuestClose.keep
  package var overflow = Overflow.dropNewest

  /// The defaults: nothing is lost on either side, and neither side disturbs the other.
  package init() {}
}
