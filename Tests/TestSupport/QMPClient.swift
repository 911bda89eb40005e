import Control
import Glibc
import Host

/// A client of a machine's control socket that has negotiated. Replies come without what is around
/// them; events are kept until they are asked for.
package final class QMPClient {
  private let connection: ControlConnection
  private var received: [UInt8] = []
  private var events: [String] = []
  private var descriptors: [Int32] = []

  package init(_ path: String) throws {
    let socket = try SocketClient(path)
    connection = ControlConnection(FileDescriptor(owning: dup(socket.descriptor)))
    guard nextLine()?.contains(#""QMP""#) == true, ask("qmp_capabilities") == "{}" else {
      throw SystemError("QMP at " + path, errno: EPROTO)
    }
  }

  /// Gives a command; returns its value, or its error's text.
  package func ask(_ command: String, _ arguments: String = "{}", passing descriptor: Int32? = nil)
    -> String?
  {
    let request = #"{"execute": "\#(command)", "arguments": \#(arguments)}"#
    guard send(Array(request.utf8), passing: descriptor) else { return nil }
    while let line = nextLine() {
      if let value = line.between(#"{"return": "#, "}") { return value }
      if let problem = line.between(#"{"error": {"class": ""#, #""}}"#) {
        return problem.ranges(of: #"", "desc": ""#).first.map {
          String(problem[$0.upperBound...])
        }
      }
      events.append(line)
    }
    return nil
  }

  /// The first event of this name that has not been asked for: its data, empty for none. Waits for
  /// one.
  package func event(_ name: String) -> String? {
    let mark = #""event": "\#(name)""#
    while true {
      if let place = events.firstIndex(where: { $0.contains(mark) }) {
        let event = events.remove(at: place)
        return event.ranges(of: mark).first.map { range in
          String(event[range.upperBound...]).between(#", "data": "#, "}") ?? ""
        }
      }
      guard let line = nextLine() else { return nil }
      events.append(line)
    }
  }

  /// Whether an event of this name with this data is among those not asked for, or comes.
  package func heard(_ name: String, _ data: String) -> Bool {
    while let found = event(name) { if found == data { return true } }
    return false
  }

  /// A descriptor that came with a reply.
  package func takeDescriptor() -> Int32? { descriptors.popLast() }

  private func send(_ bytes: [UInt8], passing descriptor: Int32?) -> Bool {
    // A request fits into the socket's buffer, unless the machine does not read.
    connection.send(bytes[...], descriptor: descriptor) == bytes.count
  }

  /// The next line; nil at the end, or where none comes.
  private func nextLine() -> String? {
    var isAtEnd = false
    _ = waitUntil {
      isAtEnd = !receive()
      return isAtEnd || received.contains(UInt8(ascii: "\n"))
    }
    guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    defer { received.removeSubrange(...end) }
    return String(decoding: received[..<end].filter { $0 != 0x0d }, as: UTF8.self)
  }

  /// Takes what is there; false at the end.
  private func receive() -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { room in
      let receipt = connection.receive(into: room) { descriptors.append($0.release()) }
      switch receipt {
      case .bytes(let count): received += room.prefix(count)
      case .wouldBlock: break
      case .end, .failed: return false
      }
      return true
    }
  }
}

extension String {
  /// What is between a beginning and an end, if the text has both.
  package func between(_ start: String, _ end: String) -> String? {
    guard hasPrefix(start), hasSuffix(end) else { return nil }
    return String(dropFirst(start.count).dropLast(end.count))
  }
}
