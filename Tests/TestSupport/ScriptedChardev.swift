import CKVM
import Chardev
import Glibc
import Host

/// A chardev whose other end is the test: it connects, sends, reads and blocks on cue.
package final class ScriptedChardev: Chardev, ChardevSession, ChardevTerminal {
  package weak var delegate: (any ChardevDelegate)?
  package private(set) var isConnected = false
  package let filename = "scripted"
  package private(set) var wantsReadable = false
  package private(set) var wantsWritable = false
  package private(set) var isStopped = false
  /// How often the front end ended the output, and the connection.
  package private(set) var outputEnds = 0
  package private(set) var disconnections = 0
  /// How often it has heard that the guest opens its side.
  package private(set) var frontEndOpenings = 0
  private var isLeaving = false
  /// The terminal's size.
  package private(set) var windowSize: Terminal.Size?
  /// Bytes the test has sent and the guest has not received.
  package private(set) var outgoing: [UInt8] = []
  /// Bytes the guest has sent.
  package private(set) var received: [UInt8] = []
  /// How many calls of `write` moved or tried to move something.
  package private(set) var writeCalls = 0
  /// How many bytes `write` still takes.
  package var writeRoom = Int.max
  /// The most that one `read` gives.
  package var readLimit = Int.max
  /// The most bytes of a packet, where it carries packets.
  package var packetLimit: Int?
  /// What is written is lost, as on a full disk.
  package var losesWrites = false
  /// How long each `write` takes.
  package var callMicroseconds: UInt32 = 0

  package init() {}

  package func start(on loop: EventLoop) throws(SystemError) {}
  package func stop() { isStopped = true }
  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    if condition.contains(.readable) { wantsReadable = isWanted }
    if condition.contains(.writable) { wantsWritable = isWanted }
  }

  package var limits: WriteLimits { WriteLimits(packet: packetLimit) }
  package var session: (any ChardevSession)? { self }
  package var terminal: (any ChardevTerminal)? { self }
  package let waitsForFirstClient = false
  package func windowSizeMayHaveChanged() {}

  package func guestWillOpen() { frontEndOpenings += 1 }

  package func endOutput() { outputEnds += 1 }

  package func disconnectClient() {
    disconnections += 1
    isLeaving = true
  }

  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    writeCalls += 1
    if callMicroseconds > 0 { usleep(callMicroseconds) }
    guard isConnected else { return .disconnected }
    guard !losesWrites else { return .lost(segments.reduce(0) { $0 + $1.iov_len }) }
    var count = 0
    for segment in segments {
      let bytes = UnsafeRawBufferPointer(start: segment.iov_base, count: segment.iov_len)
      let taken = bytes.prefix(writeRoom)
      received += taken
      writeRoom -= taken.count
      count += taken.count
    }
    return count > 0 ? .transferred(count) : .wouldBlock
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard isConnected else { return .disconnected }
    var count = 0
    for segment in segments {
      let space = UnsafeMutableRawBufferPointer(start: segment.iov_base, count: segment.iov_len)
      let bytes = outgoing.prefix(min(space.count, readLimit - count))
      space.copyBytes(from: bytes)
      outgoing.removeFirst(bytes.count)
      count += bytes.count
    }
    return count > 0 ? .transferred(count) : .wouldBlock
  }

  // MARK: The test's side

  package func connect() {
    isConnected = true
    delegate?.chardevDidConnect(self)
  }

  package func disconnect() {
    isConnected = false
    isLeaving = false
    delegate?.chardevDidDisconnect(self)
  }

  /// The client that the front end has disconnected leaves, if there is one.
  package func leaveIfAsked() {
    if isLeaving { disconnect() }
  }

  /// The terminal has a new size.
  package func resize(columns: UInt16, rows: UInt16) {
    windowSize = Terminal.Size(columns: columns, rows: rows)
    delegate?.chardevDidResize(self)
  }

  /// Sends bytes, and says so if the front end wants to know, until all are taken or it does not.
  package func send(_ bytes: [UInt8]) {
    outgoing += bytes
    deliver()
  }

  /// Sends bytes of which the front end has not been told.
  package func sendUnnoticed(_ bytes: [UInt8]) { outgoing += bytes }

  /// Tells the front end once that there are bytes.
  package func notifyReadable() {
    if wantsReadable { delegate?.chardevIsReadable(self) }
  }

  /// Tells the front end of unread bytes while it wants to hear of them.
  package func deliver() {
    while wantsReadable, !outgoing.isEmpty {
      let before = outgoing.count
      delegate?.chardevIsReadable(self)
      guard outgoing.count < before else { return }
    }
  }

  /// Makes room for so many more bytes, and says so if the front end waits for it.
  package func takeMore(_ count: Int) {
    writeRoom = count
    if wantsWritable { delegate?.chardevIsWritable(self) }
  }

  /// What has arrived so far, and forgets it.
  package func takeReceived() -> [UInt8] {
    defer { received = [] }
    return received
  }
}
