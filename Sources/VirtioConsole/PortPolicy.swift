/// One port of a virtio-serial device, as the user asked for it.
package struct PortConfiguration: Sendable {
  /// The port's number; nil for the lowest free one (for the first console: 0).
  package var number: UInt32?
  /// What the guest finds it by, under /dev/virtio-ports; empty for none.
  package var name: String
  /// Whether the guest uses it as a terminal (hvcN) rather than as a channel.
  package var isConsole: Bool
  /// What becomes of bytes when one side is away.
  package var policy: PortPolicy
  /// Told that the guest has opened (true) or closed the port. Called with the device locked, on the I/O
  /// thread or a vCPU's, so it must neither wait nor call the device.
  package var onGuestOpen: (@Sendable (Bool) -> Void)?

  package init(
    number: UInt32? = nil, name: String, isConsole: Bool = false, policy: PortPolicy = PortPolicy()
  ) {
    self.number = number
    self.name = name
    self.isConsole = isConsole
    self.policy = policy
  }
}

/// What becomes of bytes where one side of a port is not there or not listening.
///
/// By default nothing is lost on either side and neither side disturbs the other, but for a console
/// whose backend is too slow: it drops what does not fit, since its guest spins while it waits.
public struct PortPolicy: Equatable, Sendable {
  /// What a generic port does with bytes the guest has queued when the host's client leaves.
  public enum OnHostClose: String, CaseIterable, Sendable {
    /// They stay queued, for the next client.
    case keep
    /// They are returned to the guest as written, and counted as discarded.
    case discard
  }

  /// What happens to bytes from a client while the guest has the port closed.
  public enum Early: String, CaseIterable, Sendable {
    /// They wait until the guest opens it, even if the client has left by then.
    case hold
    /// They are read, thrown away and counted as discarded.
    case drop
  }

  /// What the host's client notices when the guest closes the port.
  public enum OnGuestClose: String, CaseIterable, Sendable {
    /// Nothing.
    case keep
    /// End of file; what the client sends is still taken.
    case shutdown
    /// The connection ends once everything the guest sent has been passed on.
    case close
  }

  /// What a console does when its backend is too slow.
  public enum Overflow: String, CaseIterable, Sendable {
    /// What does not fit any more.
    case dropNewest = "drop-newest"
    /// What has waited longest, so that the last bytes before a crash are kept.
    case dropOldest = "drop-oldest"
    /// Nothing is dropped while the backend is connected: the guest's processor that prints stands
    /// still, with interrupts off, until its bytes are taken.
    case wait
  }

  /// For generic ports.
  public var onHostClose = OnHostClose.keep
  /// For generic ports.
  public var early = Early.hold
  /// For generic ports.
  public var onGuestClose = OnGuestClose.keep
  /// For generic ports: when a client leaves, the guest is told only once it has written nothing for
  /// so many milliseconds, or after ten seconds; what it writes until then is discarded, and the
  /// next client waits. Linux lets a program that writes to a port without a client spin. 0 tells
  /// the guest at once; more needs `onHostClose` to be `discard`.
  public var drainMilliseconds = 0
  /// For generic ports: how many milliseconds the guest has to notice that a client has left, from
  /// when its driver has taken the message, before the next client is there for it. 0 leaves to
  /// chance whether a program in the guest notices.
  public var gapMilliseconds = 0
  /// For consoles.
  public var overflow = Overflow.dropNewest
  /// How much the port moves in a turn, in units of 16 KiB, before the other ports have theirs: its
  /// share where several have more to do than the machine can. Counts as the nearest of
  /// `allowedWeights`.
  public var weight = defaultWeight

  /// What a weight may be.
  public static let allowedWeights = 1...64
  /// What `drainMilliseconds` and `gapMilliseconds` may be.
  public static let allowedMilliseconds = 0...60_000
  /// The weight where nothing else is said.
  public static let defaultWeight = 16

  /// The defaults.
  public init() {}

  /// Bytes the port moves in one direction before the others have their turn.
  var turnBytes: Int {
    min(max(weight, Self.allowedWeights.lowerBound), Self.allowedWeights.upperBound) << 14
  }
}
