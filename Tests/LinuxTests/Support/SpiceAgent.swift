import TestSupport

/// The host's side of spice-vdagentd's port: messages in chunks (spice-protocol, spice/vd_agent.h).
final class SpiceAgent {
  static let clipboard: UInt32 = 4
  static let announceCapabilities: UInt32 = 6
  static let clipboardGrab: UInt32 = 7
  static let clipboardRequest: UInt32 = 8

  /// The capability VD_AGENT_CAP_CLIPBOARD_BY_DEMAND, as a bit of the first word.
  static let clipboardByDemand: UInt32 = 1 << 5
  /// VD_AGENT_CLIPBOARD_UTF8_TEXT.
  static let utf8Text: UInt32 = 1

  private static let clientPort: UInt32 = 1
  private static let version: UInt32 = 1
  /// VD_AGENT_MAX_DATA_SIZE: of a chunk.
  private static let longestChunk = 2048
  private static let headerSize = 20

  private let client: SocketClient
  /// Bytes of messages not taken yet.
  private var pending: [UInt8] = []

  init(_ client: SocketClient) { self.client = client }

  static func words(_ words: UInt32...) -> [UInt8] {
    words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
  }

  /// A little-endian word; 0 beyond the end.
  static func word(_ index: Int, of bytes: [UInt8]) -> UInt32 {
    bytes.dropFirst(4 * index).prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// Sends a message, in as many chunks as it takes.
  func send(_ type: UInt32, _ data: [UInt8], firstChunk: Int = longestChunk) throws {
    var rest =
      (Self.words(Self.version, type, 0, 0, UInt32(data.count)) + data)[...]
    var size = firstChunk
    while !rest.isEmpty {
      let chunk = rest.prefix(size)
      try client.sendAll(Self.words(Self.clientPort, UInt32(chunk.count)) + chunk)
      rest = rest.dropFirst(size)
      size = Self.longestChunk
    }
  }

  /// The data of the next message of that type.
  func receive(_ type: UInt32) throws -> [UInt8] {
    while true {
      try fill(Self.headerSize)
      let header = pending
      let size = Int(Self.word(4, of: header))
      try fill(Self.headerSize + size)
      let data = Array(pending[Self.headerSize..<Self.headerSize + size])
      pending.removeFirst(Self.headerSize + size)
      if Self.word(1, of: header) == type { return data }
    }
  }

  /// Takes chunks until so many bytes of messages are there.
  private func fill(_ count: Int) throws {
    while pending.count < count {
      let header = try client.receive(exactly: 8)
      guard Self.word(0, of: header) == Self.clientPort else {
        throw Failure("spice-vdagentd: a chunk for port \(Self.word(0, of: header))")
      }
      pending += try client.receive(exactly: Int(Self.word(1, of: header)))
    }
  }
}
