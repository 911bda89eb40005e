import CKVM
import Glibc
import Host
import SwiftVM

/// A connection to a port's host end, and what passes between it and this program's standard streams.
struct PortStream: ~Copyable {
  /// Ctrl-].
  private static let endingKey: UInt8 = 0x1d

  private let descriptor: FileDescriptor

  init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

  /// Writes all of the bytes, however long the other side takes.
  func send(_ bytes: some Sequence<UInt8>) throws(ControlError) {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor.rawValue, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        _ = wait(for: [(descriptor.rawValue, Int16(POLLOUT))], milliseconds: -1)
      } else if errno != EINTR {
        throw ControlError("the connection to the port has ended")
      }
    }
  }

  /// Sends all of standard input.
  func sendInput() throws(ControlError) {
    while let bytes = Self.read(STDIN_FILENO), !bytes.isEmpty { try send(bytes) }
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
      let isReady = wait(
        for: [(descriptor.rawValue, Int16(POLLIN))], milliseconds: Int32(clamping: left))
      guard isReady.first == true else { return false }
      guard let bytes = Self.read(descriptor.rawValue) else { continue }
      if bytes.isEmpty { return missing == nil }
      var shown = bytes[...]
      if let count = missing {
        let ends = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }
        if ends.count >= count { shown = bytes[...ends[count - 1]] }
        missing = max(0, count - ends.count)
      }
      guard Self.show(shown), missing != 0 else { return missing == 0 }
    }
  }

  /// Passes on what is typed and what comes, until the user or the machine ends it.
  func relay() throws(ControlError) {
    while true {
      let ready = wait(
        for: [(STDIN_FILENO, Int16(POLLIN)), (descriptor.rawValue, Int16(POLLIN))],
        milliseconds: -1)
      if ready.last == true, let bytes = Self.read(descriptor.rawValue) {
        guard !bytes.isEmpty, Self.show(bytes[...]) else { return }
      }
      if ready.first == true, let typed = Self.read(STDIN_FILENO) {
        let isTyped = Terminal.isTerminal(STDIN_FILENO)
        let kept = isTyped ? typed.prefix { $0 != Self.endingKey } : typed[...]
        try send(kept)
        if typed.isEmpty || kept.count < typed.count { return }
      }
    }
  }

  private func wait(for watched: [(Int32, Int16)], milliseconds: Int32) -> [Bool] {
    var statuses = watched.map { pollfd(fd: $0.0, events: $0.1, revents: 0) }
    _ = poll(&statuses, nfds_t(statuses.count), milliseconds)
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

  private static func show(_ bytes: ArraySlice<UInt8>) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
    }
    return true
  }
}
