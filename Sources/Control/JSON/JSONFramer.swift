/// Cuts a stream of bytes into JSON values, which may come in any pieces and need no line ends.
///
/// Finds where a value ends by its brackets and quotes alone; whether it is one is for `JSONParser`.
/// So a malformed value costs one error, and the next value is found all the same. As in QEMU, the
/// bytes 0xFE and 0xFF, which no UTF-8 text has, end whatever is incomplete, and so does a line end
/// within a string.
package struct JSONFramer {
  /// What has been found.
  package enum Frame: Equatable {
    /// The bytes of what may be a value.
    case value([UInt8])
    /// Something that is not passed on, and why.
    case broken(String)
  }

  /// What one message may be.
  package struct Limits: Sendable {
    /// Bytes of a message.
    package var size = 1 << 20
    /// Brackets within brackets.
    package var depth = 64

    package init() {}
  }

  private let limits: Limits
  private var arrived: [UInt8] = []
  private var position = 0
  private var message: [UInt8] = []
  private var depth = 0
  /// The quote that ends the string we are in.
  private var quote: UInt8?
  private var isEscaped = false
  /// The rest of this value is not kept: the error has been told.
  private var isDiscarding = false

  package init(limits: Limits = Limits()) { self.limits = limits }

  /// Takes what has arrived. To be called once `next` has found nothing more, so that no more than
  /// one message and one piece are ever kept.
  package mutating func append(_ bytes: some Collection<UInt8>) {
    arrived.removeFirst(position)
    position = 0
    arrived += bytes
  }

  /// Whether nothing of another value has arrived behind the last frame.
  package var isBetweenValues: Bool {
    message.isEmpty && depth == 0 && quote == nil && !isDiscarding
      && arrived[position...].allSatisfy(Self.isSpace)
  }

  /// The next frame; nil until more arrives.
  package mutating func next() -> Frame? {
    while position < arrived.count {
      let byte = arrived[position]
      // A word has ended at a byte that belongs to what follows it.
      if depth == 0, quote == nil, Self.endsWord(byte), let frame = take() { return frame }
      position += 1
      if let frame = scan(byte) { return frame }
    }
    return nil
  }

  private mutating func scan(_ byte: UInt8) -> Frame? {
    if byte >= 0xfe {
      reset()
      return .broken("JSON parse error, stray '\\x" + String(byte, radix: 16) + "'")
    }
    if let quote { return scan(byte, inString: quote) }
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      depth += 1
      if depth > limits.depth, !isDiscarding {
        return discard("JSON nesting depth limit exceeded")
      }
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      if depth > 0 {
        depth -= 1
        return keep(byte) ?? (depth == 0 ? take() : nil)
      }
    default:
      if depth == 0, Self.isSpace(byte) { return nil }
    }
    return keep(byte)
  }

  private mutating func scan(_ byte: UInt8, inString quote: UInt8) -> Frame? {
    switch byte {
    case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
      let wasDiscarding = isDiscarding
      reset()
      return wasDiscarding ? nil : .broken("JSON parse error, a string without an end")
    case _ where isEscaped: isEscaped = false
    case UInt8(ascii: "\\"): isEscaped = true
    case quote:
      self.quote = nil
      return keep(byte) ?? (depth == 0 ? take() : nil)
    default: break
    }
    return keep(byte)
  }

  private mutating func keep(_ byte: UInt8) -> Frame? {
    if isDiscarding { return nil }
    guard message.count < limits.size else { return discard("JSON token size limit exceeded") }
    message.append(byte)
    return nil
  }

  private mutating func discard(_ reason: String) -> Frame {
    isDiscarding = true
    message = []
    return .broken(reason)
  }

  /// Ends the value; nil where there is none, or none that is kept.
  private mutating func take() -> Frame? {
    let (bytes, isKept) = (message, !isDiscarding)
    reset()
    return isKept && !bytes.isEmpty ? .value(bytes) : nil
  }

  private mutating func reset() {
    message = []
    depth = 0
    quote = nil
    isEscaped = false
    isDiscarding = false
  }

  private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0a, 0x0d].contains(byte) }

  private static func endsWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "{"), UInt8(ascii: "["): true
    default: isSpace(byte)
    }
  }
}
