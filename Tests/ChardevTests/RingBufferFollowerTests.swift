import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// Connections that bring what a ring buffer holds and what comes to it.
@Suite struct RingBufferFollowerTests {
  private let loop: EventLoop
  private let ring: RingBuffer

  init() throws {
    loop = try EventLoop()
    ring = try RingBuffer(size: 1 << 20)
    try ring.start(on: loop)
  }

  private func client() throws -> FileDescriptor {
    let connection = try ClientConnection.open(to: ring)
    _ = fcntl(connection.rawValue, F_SETFL, O_NONBLOCK)
    return connection
  }

  /// What has come by now; nil at the end.
  private func received(_ connection: borrowing FileDescriptor) -> String? {
    loop.settle()
    var bytes = [UInt8](repeating: 0, count: 4 << 20)
    let count = read(connection.rawValue, &bytes, bytes.count)
    return count == 0 ? nil : String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }

  @Test func bringsWhatThereIsAndWhatComes() throws {
    ring.write(Array("read".utf8))
    _ = ring.read(limit: 4)
    ring.write(Array("old".utf8))
    let first = try client()
    let second = try client()
    #expect(received(first) == "old")
    ring.write(Array("new".utf8))
    #expect(received(first) == "new")
    #expect(received(second) == "oldnew")
    #expect(String(decoding: ring.contents, as: UTF8.self) == "oldnew")
  }

  @Test func slowOnesMissWhatTheRingHasLost() throws {
    let connection = try client()
    let block = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
    for _ in 0..<8 {
      ring.write(block)
      loop.settle()
    }
    ring.write(Array("end".utf8))
    var (count, tail) = (0, "")
    while let text = received(connection), !text.isEmpty {
      count += text.utf8.count
      tail = String(text.suffix(3))
    }
    #expect(tail == "end")
    #expect((1 << 20..<4 << 20).contains(count))
  }

  @Test func endsWithTheMachineAndKeepsWhatFits() throws {
    let connection = try client()
    ring.write(Array("last words".utf8))
    ring.stop()
    #expect(received(connection) == "last words")
    #expect(received(connection) == nil)
    #expect(throws: ChardevError.self) { _ = try client() }
  }

  @Test func thoseThatLeaveMakeRoomForOthers() throws {
    var connections: [Int32] = []
    for _ in 0..<16 { connections.append(try client().release()) }
    let error = #expect(throws: ChardevError.self) { _ = try client() }
    #expect(error?.description == "16 follow it already")
    for connection in connections { close(connection) }
    loop.settle()
    ring.write(Array("x".utf8))
    let late = try client()
    #expect(received(late) == "x")
  }

  @Test func takesNothing() throws {
    let connection = try client()
    #expect(send(connection.rawValue, "hello", 5, Int32(MSG_NOSIGNAL)) == -1)
    ring.write(Array("x".utf8))
    #expect(received(connection) == "x")
  }
}
