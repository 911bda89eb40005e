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
  /// Nobody takes or has bytes any more. The delegate hears of a client's going from the event
  /// loop, later: once what the client sent has been read, for its output ends before that.
  case disconnected
}

/// The host end of one port or serial line: bytes in, bytes out, and who is connected.
///
/// Lives on one `EventLoop`'s thread: every call below is made there. A chardev never calls its
/// delegate from inside one of these calls, only from the event loop, so that a front end may hold
/// a lock while it calls.
package protocol Chardev: AnyObject {
  /// Who is told of connections and readiness; held weakly.
  var delegate: (any ChardevDelegate)? { get set }

  /// Whether bytes written now may reach somebody. True between `chardevDidConnect` and
  /// `chardevDidDisconnect`.
  var isConnected: Bool { get }

  /// What it is and where, and whether somebody is connected, in QEMU's words: the `filename` of
  /// `query-chardev`, such as `disconnected:unix:/tmp/port0,server=on` or `null`.
  var filename: String { get }

  /// Whether the machine shall boot only once the first client is there, who has not come yet. May
  /// change from true to false, by what the loop does, and never back.
  var waitsForFirstClient: Bool { get }

  /// Where one write is passed on as one packet: the most bytes of a packet. Nil where bytes follow
  /// each other without bounds.
  var packetLimit: Int? { get }

  /// The most bytes that one write takes in a time that does not matter; more is for further calls.
  var writeLimit: Int { get }

  /// Whether bytes that `write` has taken have not left the process: at the machine's end they get
  /// a little time.
  var hasUnsentBytes: Bool { get }

  /// Bytes that `write` has taken and their readers have not, as far as the host tells: by it a reader
  /// that is slow differs from one that has stopped.
  var unreadByteCount: Int { get }

  /// Begins to serve on `loop`. Everything that can fail for the user's fault has been done before,
  /// when the chardev was made.
  func start(on loop: EventLoop) throws(SystemError)

  /// Writes the segments' bytes in order, as many as the host end takes now.
  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult

  /// Reads into the segments, in order, as many bytes as the host end has now.
  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult

  /// Whether the front end can take bytes now: while true, `chardevIsReadable` is called whenever
  /// the host end has some. While false nothing is read from the host end.
  func setWantsReadable(_ wanted: Bool)

  /// Whether the front end has bytes that did not fit: while true, `chardevIsWritable` is called
  /// as soon as the host end takes more. The wish outlasts clients, and rests while nobody is
  /// connected.
  func setWantsWritable(_ wanted: Bool)

  /// The guest is about to open its side. Nothing comes of it where nobody has to be there for it.
  func guestWillOpen()

  /// Tells whoever is connected that no more bytes come: a client reads its end of file once it has
  /// what was written. What it sends is read as before. Nothing comes of it where there are no
  /// clients that come and go.
  func endOutput()

  /// Ends the connection; the client still gets what was written. The delegate hears of it later,
  /// from the event loop.
  func disconnectClient()

  /// The size of the terminal that bytes go to, in characters; nil where there is none.
  var windowSize: (columns: UInt16, rows: UInt16)? { get }

  /// The program has been told that a terminal's size changed (`SIGWINCH`). Called from the event
  /// loop, by whoever handles signals; the delegate hears of it if it is so.
  func windowSizeMayHaveChanged()

  /// Ends service for good: closes, and removes what this chardev made in the file system. The
  /// delegate hears nothing of it, and nothing more.
  func stop()
}

/// Without clients that come and go, and without a terminal, there is nothing to do.
extension Chardev {
  package var waitsForFirstClient: Bool { false }
  package var packetLimit: Int? { nil }
  package var writeLimit: Int { .max }
  package var hasUnsentBytes: Bool { false }
  package var unreadByteCount: Int { 0 }
  package func guestWillOpen() {}
  package func endOutput() {}
  package func disconnectClient() {}
  package var windowSize: (columns: UInt16, rows: UInt16)? { nil }
  package func windowSizeMayHaveChanged() {}

  /// Reads and throws away what the host end has now, up to about `limit` bytes, each call counting
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
  /// There are bytes to read (asked for by `setWantsReadable`).
  func chardevIsReadable(_ chardev: any Chardev)
  /// Bytes can be written again (asked for by `setWantsWritable`).
  func chardevIsWritable(_ chardev: any Chardev)
  /// `windowSize` has changed.
  func chardevDidResize(_ chardev: any Chardev)
  /// Whoever is connected sends a break, as a serial line can.
  func chardevDidReceiveBreak(_ chardev: any Chardev)
}

/// Not every front end has a use for a size or a break.
extension ChardevDelegate {
  package func chardevDidResize(_ chardev: any Chardev) {}
  package func chardevDidReceiveBreak(_ chardev: any Chardev) {}
}
