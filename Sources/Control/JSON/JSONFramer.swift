/// Cuts a stream of bytes into JSON objects, which may come in any pieces and need no line ends.
///
/// Finds where an object ends by its brackets and quotes alone; whether it is one is for
/// `JSONParser`. So a malformed object costs one error, and the next one is found all the same. As in
/// QEMU, the bytes 0xFE and 0xFF, which no UTF-8 text has, end whatever is incomplete, and so does a
/// line end within a string. A byte that cannot begin an object ends the whole stream: what sends it
/// speaks another protocol, and what it sends may quote anything.
package struct JSONFramer {
  /// What has been found.
  package enum Frame: Equatable {
    /// The bytes of what may be an object.
    case object([UInt8])
    /// Something that is not passed on, and why.
    case broken(String)
    /// A byte between objects that begins none. Nothing is found after it.
    case foreign(UInt8)
  }

  private let sizeLimit: Int
  private let depthLimit: Int
  private var arrived: [UInt8] = []
  private var position = 0
  /// What has arrived of an object; nil while the rest of one is thrown away, whose error has been told.
  private var message: [UInt8]? = []
  /// 0 between objects.
  private var depth = 0
  /// The quote that ends the string we are in.
  private var quote: UInt8?
  private var isEscaped = false
  private var hasEnded = false

  /// - Parameters:
  ///   - sizeLimit: how many bytes a message may have.
  ///   - depthLimit: how deep brackets may be within others.
  package init(sizeLimit: Int = 1 << 20, depthLimit: Int = 64) {
    (self.sizeLimit, self.depthLimit) = (sizeLimit, depthLimit)
  }

  /// Takes what has arrived. To be called once `next` has found nothing more, so that no more than
  /// one message and one piece are ever kept.
  package mutating func append(_ bytes: some Collection<UInt8>) {
    guard !hasEnded else { return }
    arrived.removeFirst(position)
    position = 0
    arrived += bytes
  }

  /// Whether nothing of another object has arrived behind the last frame.
  package var isBetweenObjects: Bool {
    depth == 0 && arrived[position...].allSatisfy(Self.isSpace)
  }

  /// The next frame; nil until more arrives.
  package mutating func next() -> Frame? {
    while position < arrived.count {
      let byte = arrived[position]
      position += 1
      if let frame = depth == 0 ? begin(byte) : scan(byte) { return frame }
    }
    return nil
  }

  private mutating func begin(_ byte: UInt8) -> Frame? {
    if Self.isSpace(byte) { return nil }
    guard byte == UInt8(ascii: "{") else {
      hasEnded = true
      (arrived, position) = ([], 0)
      return .foreign(byte)
    }
    depth = 1
    return keep(byte)
  }

  private mutating func scan(_ byte: UInt8) -> Frame? {
    if byte >= 0xfe {
      reset()
      return .broken("JSON parse error, stray '\\x" + String(byte, radix: 16) + "'")
    }
    switch byte {
    case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
      guard quote != nil else { break }
      let isKept = message != nil
      reset()
      return isKept ? .broken("JSON parse error, a string without an end") : nil
    case _ where isEscaped: isEscaped = false
    case UInt8(ascii: "\\"): isEscaped = quote != nil
    case _ where quote != nil: if byte == quote { quote = nil }
    case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      depth += 1
      if depth > depthLimit, message != nil { return discard("JSON nesting depth limit exceeded") }
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      depth -= 1
      if let frame = keep(byte) { return frame }
      guard depth == 0 else { return nil }
      defer { reset() }
      return message.map { .object($0) }
    default: break
    }
    return keep(byte)
  }

  private mutating func keep(_ byte: UInt8) -> Frame? {
    guard let count = message?.count else { return nil }
    guard count < sizeLimit else { return discard("JSON token size limit exceeded") }
    message?.append(byte)
    return nil
  }

  /// The bracket that does not fit may be the last.
  private mutating func discard(_ reason: String) -> Frame {
    message = nil
    if depth == 0 { reset() }
    return .broken(reason)
  }

  private mutating func reset() {
    message = []
    depth = 0
    quote = nil
    isEscaped = false
  }

  private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0a, 0x0d].contains(byte) }
}
