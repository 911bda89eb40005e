import CKVM
import Glibc
import Host
import SwiftVM

/// A connection to a port's backend, and what passes between it and this program's standard streams.
struct PortStream: ~Copyable {
  /// Ctrl-].
  private static let endingKey: UInt8 = 0x1d

  /// How much of what is typed waits for a guest that does not read; the rest is lost, as at any
  /// terminal.
  private static let typedLimit = 64 << 10

  private let descriptor: FileDescriptor

  /// Takes over a connection, which only this stream uses.
  init(_ descriptor: consuming FileDescriptor) {
    let number = descriptor.rawValue
    _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
    self.descriptor = descriptor
  }

  /// Writes all of the bytes, however long the other side takes.
  func send(_ bytes: some Sequence<UInt8>) throws(ControlError) {
    var rest = Array(bytes)[...]
    while true {
      try sendWhatFits(&rest)
      if rest.isEmpty { return }
      _ = Self.wait(for: [(descriptor.rawValue, POLLOUT)])
    }
  }

  /// Sends all of standard input.
  func sendInput() throws(ControlError) {
    while true {
      // Another program that has the input may have set it so that a read does not wait.
      _ = Self.wait(for: [(STDIN_FILENO, POLLIN)])
      guard let bytes = Self.read(STDIN_FILENO) else { continue }
      if bytes.isEmpty { return }
      try send(bytes)
    }
  }

  /// Prints what comes.
  ///
  /// - Returns: whether all that was to come has come: the connection's end where no number of lines
  ///   is given.
  func receive(lines: Int?, seconds: Double?) -> Bool {
    let deadline = seconds.map { MonotonicClock.now() &+ Int64($0 * 1e9) }
    var missing = lines
    while true {
      let left = deadline.map { max(0, ($0 &- MonotonicClock.now()) / 1_000_000) } ?? -1
      let ready = Self.wait(
        for: [(descriptor.rawValue, POLLIN)], milliseconds: Int32(clamping: left))
      guard ready.first == true else { return false }
      guard let bytes = Self.read(descriptor.rawValue) else { continue }
      if bytes.isEmpty { return missing == nil }
      var shown = bytes[...]
      if let count = missing {
        let ends = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }
        if ends.count >= count { shown = bytes[...ends[count - 1]] }
        missing = max(0, count - ends.count)
      }
      guard StandardOutput.write(shown), missing != 0 else { return missing == 0 }
    }
  }

  /// Relays, with the terminal, if there is one, in raw mode.
  func relayAtTerminal() throws(ControlError) {
    guard Terminal.isTerminal(STDIN_FILENO) else { return try relay() }
    StandardError.write("swiftvm: connected; Ctrl-] ends it\n")
    let terminal: Terminal
    do throws(SystemError) { terminal = try Terminal(rawModeOn: STDIN_FILENO) } catch {
      throw ControlError(error.description)
    }
    try relay()
    _ = consume terminal
    StandardError.write("\n")
  }

  /// Passes on what is typed and what comes, until the user or the machine ends it. Neither
  /// direction waits for the other.
  private func relay() throws(ControlError) {
    let isTyped = Terminal.isTerminal(STDIN_FILENO)
    var unsent: ArraySlice<UInt8> = []
    var hasEnded = false
    while !hasEnded || !unsent.isEmpty {
      // Typed bytes are looked at in any case, since the ending key may be among them.
      let isReading = !hasEnded && (isTyped || unsent.isEmpty)
      let ready = Self.wait(for: [
        (isReading ? STDIN_FILENO : -1, POLLIN),
        (descriptor.rawValue, unsent.isEmpty ? POLLIN : POLLIN | POLLOUT),
      ])
      if ready.last == true {
        if let bytes = Self.read(descriptor.rawValue) {
          guard !bytes.isEmpty, StandardOutput.write(bytes[...]) else { return }
        }
        try sendWhatFits(&unsent)
      }
      guard ready.first == true, let input = Self.read(STDIN_FILENO) else { continue }
      let kept = isTyped ? input.prefix { $0 != Self.endingKey } : input[...]
      unsent += isTyped ? kept.prefix(Self.typedLimit - unsent.count) : kept
      try sendWhatFits(&unsent)
      if kept.count < input.count { return }
      hasEnded = input.isEmpty
    }
  }

  private func sendWhatFits(_ rest: inout ArraySlice<UInt8>) throws(ControlError) {
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor.rawValue, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        return
      } else if errno != EINTR {
        throw ControlError("the connection to the port has ended")
      }
    }
  }

  /// Waits for one of the descriptors; says for each whether there is something.
  private static func wait(
    for watched: [(descriptor: Int32, events: Int32)], milliseconds: Int32 = -1
  ) -> [Bool] {
    var statuses = watched.map { pollfd(fd: $0.descriptor, events: Int16($0.events), revents: 0) }
    while poll(&statuses, nfds_t(statuses.count), milliseconds) == -1, errno == EINTR {}
    return statuses.map { $0.revents != 0 }
  }

  /// What is there; empty at the end, nil for nothing now.
  private static func read(_ descriptor: Int32) -> [UInt8]? {
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, filled in
      count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      filled = max(0, count)
    }
    // A terminal whose other side has gone says EIO.
    if count < 0 { return errno == EAGAIN || errno == EINTR ? nil : [] }
    return bytes
  }
}
