import Control
import Glibc
import Host

/// A client of a control socket: lines, and descriptors that come with them.
package final class LineClient {
  /// The socket itself, for what a decent client does not do.
  package let socket: SocketClient
  /// Descriptors that have come, to be closed with this.
  package private(set) var descriptors: [Int32] = []
  private var received: [UInt8] = []
  private var isAtEnd = false
  /// Waits so many seconds for a condition.
  private let wait: (Double, () -> Bool) -> Bool

  /// - Parameter wait: how it waits, where the server runs on the same thread.
  package init(
    _ socket: SocketClient,
    waiting wait: @escaping (Double, () -> Bool) -> Bool = { waitUntil(seconds: $0, $1) }
  ) {
    self.socket = socket
    self.wait = wait
  }

  deinit { for descriptor in descriptors { close(descriptor) } }

  /// The descriptor that came last, for the caller to close.
  package func takeDescriptor() -> Int32? { descriptors.popLast() }

  package func send(_ text: String, passing descriptor: Int32? = nil) {
    send(Array(text.utf8), passing: descriptor)
  }

  /// Sends all, however slowly it is taken; a descriptor goes with the first byte.
  package func send(_ bytes: [UInt8], passing descriptor: Int32? = nil) {
    var rest = bytes[...]
    var passed = descriptor
    _ = wait(20) {
      let connection = ControlConnection(FileDescriptor(owning: dup(socket.descriptor)))
      guard let count = connection.send(rest.prefix(65536), descriptor: passed) else { return true }
      if count > 0 { passed = nil }
      rest = rest.dropFirst(count)
      return rest.isEmpty
    }
  }

  /// The next line; nil at the end, or where none comes.
  package func line(seconds: Double = 20) -> String? {
    var line: String?
    _ = wait(seconds) {
      receive()
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        line = String(decoding: received[..<end].filter { $0 != 0x0d }, as: UTF8.self)
        received.removeSubrange(...end)
      }
      return line != nil || isAtEnd
    }
    return line
  }

  /// Sends a text, and returns the next line that is no event.
  package func ask(_ text: String) -> String? {
    send(text)
    return reply()
  }

  /// The next line that is no event.
  package func reply() -> String? {
    while let line = line() { if !line.contains(#""event": ""#) { return line } }
    return nil
  }

  /// Whether the server closes the connection.
  package func isClosed() -> Bool {
    wait(20) {
      receive()
      return isAtEnd
    }
  }

  private func receive() {
    let connection = ControlConnection(FileDescriptor(owning: dup(socket.descriptor)))
    switch connection.receive(limit: 65536, passed: { descriptors.append($0.release()) }) {
    case .bytes(let bytes): received += bytes
    case .wouldBlock: break
    case .end, .failed: isAtEnd = true
    }
  }
}
