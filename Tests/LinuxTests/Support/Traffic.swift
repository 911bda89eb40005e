import Glibc
import TestSupport

/// Numbered records on their way through the guest, into one port and out of another. They flow
/// while `flow` runs, and after it as long as the sockets have bytes and room.
final class Traffic {
  private static let batch = 256

  private let guest: Guest
  private let source: String
  private let sink: String
  private var sending: SocketClient?
  private var receiving: SocketClient?
  /// The first record that is not in `unsent` yet.
  private var next = 0
  private var unsent: ArraySlice<UInt8> = []
  /// What has come out.
  private(set) var tally = Records.Tally()

  /// Begins with new clients of both ports; the guest's relay is not this one's matter.
  init(through guest: Guest, from source: String, to sink: String) throws {
    self.guest = guest
    self.source = source
    self.sink = sink
    sending = try guest.connect(source)
    receiving = try guest.connect(sink)
  }

  /// Sends and receives until so many more whole records, at least, have come out.
  func flow(_ count: Int) throws {
    let wanted = tally.count + count
    try run(until: { tally.count >= wanted }, "\(count) more records after \(tally)") { true }
  }

  /// Sends some last records, and receives until the very last has come out.
  func finish() throws {
    addBatch()
    try run(until: { tally.last == next - 1 }, "record \(next - 1) after \(tally)") { false }
  }

  /// Sends until the first backend takes no more: everything on the way is full.
  func fill() throws {
    var idle = 0
    while idle < 3 {
      let count = try send { true }
      idle = count == 0 ? idle + 1 : 0
      if count == 0 { usleep(20_000) }
    }
  }

  /// The sending client goes, having sent whole records, and another comes.
  func replaceSender() throws {
    let deadline = Deadline(seconds: 60)
    while !unsent.isEmpty {
      if try send({ false }) == 0 { try receive() }
      guard !deadline.hasPassed else { throw deadline.failure("room for the rest of a record") }
    }
    sending = nil
    sending = try guest.connect(source)
  }

  /// The receiving client goes, with what it has not read, and another comes.
  func replaceReceiver() throws {
    receiving = nil
    receiving = try guest.connect(sink)
  }

  private func run(
    until isEnough: () -> Bool, _ what: String, sendsMore: () -> Bool
  ) throws {
    let deadline = Deadline(seconds: 90)
    while !isEnough() {
      let sent = try send(sendsMore)
      let received = try receive()
      if sent + received == 0 { usleep(2000) }
      guard !deadline.hasPassed else { throw deadline.failure(what) }
    }
  }

  private func send(_ sendsMore: () -> Bool) throws -> Int {
    if unsent.isEmpty, sendsMore() { addBatch() }
    let count = try sending?.sendSome(unsent) ?? 0
    unsent = unsent.dropFirst(count)
    return count
  }

  private func addBatch() {
    unsent += Records.bytes(next..<next + Self.batch)
    next += Self.batch
  }

  @discardableResult
  private func receive() throws -> Int {
    let bytes = try receiving?.receiveSome() ?? []
    tally.take(bytes)
    return bytes.count
  }
}
