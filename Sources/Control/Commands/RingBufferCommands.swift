/// What ring buffers hold.
enum RingBufferCommands {
  static let all = [
    Command("ringbuf-read", read),
    Command("ringbuf-write", write),
    Command("x-swiftvm-ringbuf-wait", wait),
  ]

  /// The most bytes that one command brings, whatever size it asks for: others wait meanwhile.
  static let largestRead = 256 << 10

  /// How bytes stand in JSON (QEMU's DataFormat).
  private enum Format: String { case utf8, base64 }

  /// Whether the text has been seen.
  private final class Sighting {
    var isMade = false
  }

  private static func read(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let device = try arguments.name("device")
    let size = try arguments.integer("size")
    let format: Format = try arguments.optionalChoice("format") ?? .utf8
    try arguments.end()
    let buffer = try context.machine.ringBuffer(id: device)
    guard size > 0 else { throw QMPError("size must be greater than zero") }
    let bytes = buffer.read(limit: min(size, largestRead))
    switch format {
    case .utf8: return .value(.string(String(decoding: bytes, as: UTF8.self)))
    case .base64: return .value(.string(Base64.encoded(bytes)))
    }
  }

  private static func write(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let device = try arguments.name("device")
    let data = try arguments.data("data")
    let format: Format = try arguments.optionalChoice("format") ?? .utf8
    try arguments.end()
    let buffer = try context.machine.ringBuffer(id: device)
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

  /// Replies once the buffer holds a text, or at once where it does.
  private static func wait(
    _ arguments: inout Arguments, _ context: CommandContext
  ) throws(QMPError) -> Command.Outcome {
    let device = try arguments.name("device")
    let text = try arguments.data("text")
    let milliseconds = try arguments.optionalTimeout("timeout")
    try arguments.end()
    guard !text.isEmpty else { throw QMPError("Parameter 'text' is empty") }
    let sighting = Sighting()
    let (machine, somethingChanged) = (context.machine, context.somethingChanged)
    let buffer = try machine.ringBuffer(id: device)
    let takeBack = buffer.wait(for: text) {
      sighting.isMade = true
      somethingChanged()
    }
    return .later(
      Command.Wait(
        milliseconds: milliseconds,
        lateReply: QMPError("the text has not come within the timeout"),
        check: { [weak machine, weak buffer] in
          if sighting.isMade { return .success([:]) }
          guard let machine else { return nil }
          do throws(QMPError) {
            let isThere = try machine.ringBuffer(id: device) === buffer
            return isThere ? nil : .failure(QMPError("Device '\(device)' is another one now"))
          } catch { return .failure(error) }
        }, end: takeBack))
  }
}
