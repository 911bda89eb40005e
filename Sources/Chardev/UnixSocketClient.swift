import Glibc
import Host

/// One client of a `UnixSocketServer`: its connection and how far it has come to an end.
///
/// The directions end apart. A client that only stops writing (`SHUT_WR`) still gets the guest's
/// output; one that only stops reading is still read. Gone in both directions, it stays until its
/// bytes are read.
final class UnixSocketClient {
  private let connection: StreamConnection
  /// Set while the event loop watches the connection.
  var token: EventLoop.Token?

  /// The client has closed both directions.
  private(set) var isHungUp = false
  /// Gone, and nothing of it is unread.
  private(set) var isFinished = false
  private var hasInputEnded = false
  private var hasOutputEnded = false

  init(_ connection: consuming StreamConnection) {
    self.connection = connection
  }

  var descriptor: Int32 { connection.descriptor.rawValue }

  /// Looks whether the client has left, and whether it left anything.
  func examine() {
    if !isHungUp { isHungUp = connection.isHungUp }
    if isHungUp, !connection.hasUnreadBytes { isFinished = true }
  }

  /// What to watch for. Once the client is gone, only the wish to read what it left keeps the
  /// descriptor watched, since its hang-up would be reported for ever.
  func interest(wantsReadable: Bool, wantsWritable: Bool) -> EventLoop.Interest {
    if isFinished { return [] }
    var interest: EventLoop.Interest = isHungUp ? [] : .hangup
    if wantsReadable, !hasInputEnded { interest.insert(.readable) }
    if wantsWritable, !hasOutputEnded, !isHungUp { interest.insert(.writable) }
    return interest
  }

  /// The client reads its end of file after what was written.
  func endOutput() {
    guard !hasOutputEnded, !isFinished else { return }
    hasOutputEnded = true
    connection.endOutput()
  }

  /// Treats the client as gone, whatever it still sends.
  func finish() { isFinished = true }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    if hasOutputEnded || isFinished { return .disconnected }
    switch connection.write(segments) {
    case .transferred(let count): return .transferred(count)
    case .wouldBlock: return .wouldBlock
    case .endOfFile, .failed:
      // EPIPE says nothing of the other direction, where bytes may still be unread.
      hasOutputEnded = true
      return .disconnected
    }
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    if isFinished { return .disconnected }
    if hasInputEnded { return .wouldBlock }
    switch connection.read(into: segments) {
    case .transferred(let count):
      if isHungUp { examine() }
      return .transferred(count)
    case .wouldBlock:
      return .wouldBlock
    case .endOfFile:
      hasInputEnded = true
      examine()
      return isFinished ? .disconnected : .wouldBlock
    case .failed:
      // ECONNRESET comes after the last unread byte.
      isFinished = true
      return .disconnected
    }
  }
}
