import CKVM
import Glibc
import Host

/// The outcome of one non-blocking transfer.
package enum TransferResult: Equatable, Sendable {
  /// So many bytes moved, at least one.
  case transferred(Int)
  /// So many bytes were given up, since they can never be written: the disk is full, the reader gone.
  case lost(Int)
  /// Nothing could move now; ask for readiness.
  case wouldBlock
  /// No client takes or has bytes any more. The delegate is told that a client has gone later, from
  /// the event loop: once what the client sent has been read, for its output ends before that.
  case disconnected
}

/// The backend of one port or serial line: bytes in, bytes out, and whether a client is connected.
///
/// Lives on one `EventLoop`'s thread: every call below is made there. A chardev never calls its
/// delegate from inside one of these calls, only from the event loop, so that a front end may hold
/// a lock while it calls.
package protocol Chardev: AnyObject {
  /// Who is told of connections and readiness; held weakly.
  var delegate: (any ChardevDelegate)? { get set }

  /// Whether bytes written now may reach a reader. True between `chardevDidConnect` and
  /// `chardevDidDisconnect`.
  var isConnected: Bool { get }

  /// Begins to serve on `loop`. Everything that can fail through the user's fault was done before,
  /// when the chardev was made.
  func start(on loop: EventLoop) throws(SystemError)

  /// Writes the segments' bytes in order, as many as the backend takes now.
  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult

  /// Reads into the segments, in order, as many bytes as the backend has now.
  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult

  /// Whether the front end wants to be told of a condition, for as long as it holds: `.readable`,
  /// the backend has bytes, or `.writable`, it takes bytes. While `.readable` is not wanted nothing
  /// is read from the backend. Both wishes outlast clients, and rest while none is connected.
  func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool)

  /// Ends service for good: closes, and removes what this chardev made in the file system. The
  /// delegate is not called any more.
  func stop()

  // MARK: What not every chardev has

  /// What it is and where, and whether a client is connected, in QEMU's words: the `filename` of
  /// `query-chardev`, such as `disconnected:unix:/tmp/port0,server=on` or `null`.
  var filename: String { get }

  /// How much one write may be.
  var limits: WriteLimits { get }

  /// What has become of bytes that were written.
  var outputStatus: OutputStatus { get }

  /// Where clients come and go: what can be done to the connection of one.
  var session: (any ChardevSession)? { get }

  /// Where bytes go to a terminal: its size.
  var terminal: (any ChardevTerminal)? { get }
}

/// How much one write of a chardev may be.
package struct WriteLimits {
  /// Where one write is passed on as one packet: the most bytes of a packet. Nil where bytes follow
  /// each other without bounds.
  package var packet: Int?
  /// The most bytes that one write takes in a short time; more is for further calls.
  package var call: Int

  package init(packet: Int? = nil, call: Int = .max) {
    self.packet = packet
    self.call = call
  }
}

/// What has become of bytes that a chardev's `write` has taken.
package struct OutputStatus {
  /// Some have not left the process: at the machine's end they get a little time.
  package var hasUnsentBytes: Bool
  /// How many their readers have not taken, as far as the host tells: this tells a reader that is
  /// slow from one that has stopped.
  package var unreadByteCount: Int

  package init(hasUnsentBytes: Bool = false, unreadByteCount: Int = 0) {
    self.hasUnsentBytes = hasUnsentBytes
    self.unreadByteCount = unreadByteCount
  }
}

/// The part of a chardev whose clients come and go.
package protocol ChardevSession {
  /// Whether the machine shall boot only once the first client is there, which has not come yet. May
  /// change from true to false, through the loop's work, and never back.
  var waitsForFirstClient: Bool { get }

  /// The guest is about to open its side.
  func guestWillOpen()

  /// Tells the client that no more bytes come: it reads its end of file once it has what was
  /// written. What it sends is read as before.
  func endOutput()

  /// Ends the connection; the client still gets what was written. The delegate is told later, from
  /// the event loop.
  func disconnectClient()
}

/// The part of a chardev that is a terminal.
package protocol ChardevTerminal {
  /// Its size in characters; nil where it is no terminal, or has none.
  var windowSize: Terminal.Size? { get }

  /// The program has been told that a terminal's size changed (`SIGWINCH`). Called from the event
  /// loop; the delegate is told if it is this terminal's.
  func windowSizeMayHaveChanged()
}

/// A chardev that stands before another, and passes on what it does not do itself.
package protocol ChardevWrapper: Chardev {
  var backend: any Chardev { get }
}

extension ChardevWrapper {
  package var isConnected: Bool { backend.isConnected }
  package var filename: String { backend.filename }
  package var limits: WriteLimits { backend.limits }
  package var outputStatus: OutputStatus { backend.outputStatus }
  package var session: (any ChardevSession)? { backend.session }
  package var terminal: (any ChardevTerminal)? { backend.terminal }
}

extension Chardev {
  package var limits: WriteLimits { WriteLimits() }
  package var outputStatus: OutputStatus { OutputStatus() }
  package var session: (any ChardevSession)? { nil }
  package var terminal: (any ChardevTerminal)? { nil }

  /// Reads and throws away what the backend has now, up to about `limit` bytes, each call counting
  /// for some of them, and for as long as there is time; returns how many.
  package func discardInput(limit: Int, clock: EventLoop.TurnClock? = nil) -> Int {
    withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: 1) { room in
      let segment = iovec(iov_base: room.baseAddress, iov_len: room.count)
      return withUnsafePointer(to: segment) { segment in
        var discarded = 0
        var left = limit
        while left > 0,
          case .transferred(let count) = read(into: UnsafeBufferPointer(start: segment, count: 1))
        {
          discarded += count
          left -= max(count, EventLoop.TurnClock.leastCallBytes)
          guard clock?.hasTime() ?? true else { break }
        }
        return discarded
      }
    }
  }
}

/// What a chardev tells its front end; called on the event loop's thread.
package protocol ChardevDelegate: AnyObject {
  /// A client is there; bytes may flow.
  func chardevDidConnect(_ chardev: any Chardev)
  /// The client is gone, after everything it sent has been read by the front end.
  func chardevDidDisconnect(_ chardev: any Chardev)
  /// There are bytes to read (asked for by `setInterest`).
  func chardevIsReadable(_ chardev: any Chardev)
  /// Bytes can be written again (asked for by `setInterest`).
  func chardevIsWritable(_ chardev: any Chardev)
  /// The terminal's `windowSize` has changed.
  func chardevDidResize(_ chardev: any Chardev)
  /// The client sends a break, as a serial line can.
  func chardevDidReceiveBreak(_ chardev: any Chardev)
}

/// Not every front end has a use for a size or a break.
extension ChardevDelegate {
  package func chardevDidResize(_ chardev: any Chardev) {}
  package func chardevDidReceiveBreak(_ chardev: any Chardev) {}
}

extension EventLoop.Interest {
  /// Adds a condition, or takes it out.
  mutating func set(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    if isWanted { formUnion(condition) } else { subtract(condition) }
  }
}
