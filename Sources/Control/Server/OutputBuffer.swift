/// Bytes on their way to a client. Each costs the same, however many there are.
struct OutputBuffer {
  private var bytes: [UInt8] = []
  private var position = 0

  /// What is still to be sent.
  var rest: ArraySlice<UInt8> { bytes[position...] }
  var count: Int { bytes.count - position }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ text: String) { bytes += text.utf8 }

  /// So many bytes, no more than there are, have been sent.
  mutating func removeFirst(_ count: Int) {
    position += count
    if position == bytes.count { removeAll() }
    // Half of it at least, so that moving the rest costs no more than what has been sent.
    guard position > bytes.count / 2 else { return }
    bytes.removeFirst(position)
    position = 0
  }

  mutating func removeAll() {
    bytes = []
    position = 0
  }
}
