import Chardev
import SwiftVM

/// What ring buffers hold.
enum RingBufferCommands {
  static let all = [
    Command(
      "ringbuf-read", .name("device"), .integer("size"), .format,
      help: "Takes bytes out of a ring buffer, as text, or with format base64 in that.", read),
    Command(
      "ringbuf-write", .name("device"), .data("data"), .format,
      help: "Puts bytes into a ring buffer, for the guest to read.", write),
    Command(
      "x-swiftvm-ringbuf-wait", .name("device"), .data("text"), .optionalTimeout("timeout"),
      help:
        "Replies once a ring buffer holds the text, or after so many seconds with an error.", wait),
  ]

  /// The most bytes that one command brings, whatever size it asks for: other clients wait until it ends.
  static let largestRead = 256 << 10

  /// How bytes stand in JSON (QEMU's DataFormat).
  enum Format: String, CaseIterable { case utf8, base64 }

  /// Whether the text has been seen.
  private final class Sighting {
    var isMade = false
  }

  /// The ring buffer that a backend is.
  private static func buffer(
    _ id: String, _ machine: VirtualMachine
  ) throws(QMPError) -> RingBuffer {
    guard let chardev = machine.engine.chardev(label: id) else {
      throw QMPError("Device '\(id)' not found")
    }
    guard let buffer = chardev.parts.lazy.compactMap({ $0 as? RingBuffer }).first else {
      throw QMPError("\(id) is not a ringbuf device")
    }
    return buffer
  }

  private static func read(
    _ context: CommandContext, device: String, size: Int, format: Format
  ) throws(QMPError) -> Command.Outcome {
    let buffer = try buffer(device, context.machine)
    guard size > 0 else { throw QMPError("size must be greater than zero") }
    let bytes = buffer.read(limit: min(size, largestRead))
    switch format {
    case .utf8: return .value(.string(String(decoding: bytes, as: UTF8.self)))
    case .base64: return .value(.string(Base64.encoded(bytes)))
    }
  }

  private static func write(
    _ context: CommandContext, device: String, data: [UInt8], format: Format
  ) throws(QMPError) -> Command.Outcome {
    let buffer = try buffer(device, context.machine)
    switch format {
    case .utf8: buffer.write(data)
    case .base64:
      guard let bytes = Base64.decoded(data) else {
        throw QMPError("the data is not valid base64")
      }
      buffer.write(bytes)
    }
    return .done
  }

  private static func wait(
    _ context: CommandContext, device: String, text: [UInt8], milliseconds: Int?
  ) throws(QMPError) -> Command.Outcome {
    guard !text.isEmpty else { throw QMPError("Parameter 'text' is empty") }
    let sighting = Sighting()
    let server = context.server
    let buffer = try buffer(device, context.machine)
    let observation = buffer.wait(for: text) { [weak server] _ in
      sighting.isMade = true
      server?.somethingChanged()
    }
    return .later(
      Command.Wait(
        milliseconds: milliseconds,
        lateReply: QMPError("the text has not come within the timeout"),
        check: { [weak server, weak buffer] in
          if sighting.isMade { return .success([:]) }
          guard let server else { return nil }
          do throws(QMPError) {
            let isThere = try Self.buffer(device, server.machine) === buffer
            return isThere ? nil : .failure(QMPError("Device '\(device)' is another one now"))
          } catch { return .failure(error) }
        }, end: { observation.cancel() }))
  }
}

extension Parameter<RingBufferCommands.Format> {
  fileprivate static var format: Self { .choice("format", standard: .utf8) }
}

/// The encoding of RFC 4648, section 4.
enum Base64 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let padding = UInt8(ascii: "=")
  /// What each byte stands for; 255 for one that is no digit.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
    return values
  }()

  /// The bytes as text.
  static func encoded(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let group = rest.prefix(3)
      rest = rest.dropFirst(3)
      let padded = Array(group) + [0, 0]
      let word = UInt32(padded[0]) << 16 | UInt32(padded[1]) << 8 | UInt32(padded[2])
      for place in 0..<4 {
        text.append(
          place <= group.count ? alphabet[Int(word >> (18 - 6 * UInt32(place)) & 63)] : padding)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes that a text stands for; nil where it stands for none.
  static func decoded(_ characters: [UInt8]) -> [UInt8]? {
    guard characters.count % 4 == 0 else { return nil }
    let paddingCount = characters.suffix(2).count { $0 == padding }
    let digits = characters.dropLast(paddingCount)
    var bytes: [UInt8] = []
    var word: UInt32 = 0
    var bits = 0
    for digit in digits {
      let value = values[Int(digit)]
      guard value < 64 else { return nil }
      word = word << 6 | UInt32(value)
      bits += 6
      guard bits >= 8 else { continue }
      bits -= 8
      bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(bits)))
      word &= (1 << UInt32(bits)) - 1
    }
    return word == 0 ? bytes : nil
  }
}
