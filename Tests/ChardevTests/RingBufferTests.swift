import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct RingBufferTests {
  private let loop: EventLoop

  init() throws { loop = try EventLoop() }

  private func started(size: Int) throws -> (RingBuffer, RecordingFrontEnd) {
    let ring = try RingBuffer(size: size)
    let frontEnd = RecordingFrontEnd(ring)
    try ring.start(on: loop)
    loop.settle()
    return (ring, frontEnd)
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test(arguments: [0, -1, 3, 65535, 1 << 31, Int.min, Int.max])
  func refusesASizeThatIsNoPowerOfTwoOrTooLarge(_ size: Int) {
    let error = #expect(throws: ChardevError.self) { try RingBuffer(size: size) }
    #expect(error?.description.hasPrefix("size of ringbuf chardev") == true)
  }

  @Test func keepsTheLastBytes() throws {
    let (ring, frontEnd) = try started(size: 8)
    #expect(frontEnd.events == [.connected])
    #expect(frontEnd.write("abcde") == .transferred(5))
    #expect(text(ring.contents) == "abcde")
    #expect(frontEnd.write("fghij") == .transferred(5))
    #expect(text(ring.contents) == "cdefghij")
    #expect(frontEnd.write("0123456789ABCDEF!") == .transferred(17))
    #expect(text(ring.contents) == "9ABCDEF!")
    #expect(ring.bytesWritten == 27)
    #expect(frontEnd.read() == .wouldBlock)
  }

  /// Against the plain way of doing it, with every length at every offset.
  @Test func keepsTheLastBytesWhereverItWraps() throws {
    let ring = try RingBuffer(size: 16)
    var all: [UInt8] = []
    for round in 0..<200 {
      let piece = (0..<(round * 7 % 40)).map { UInt8(truncatingIfNeeded: $0 &+ round) }
      ring.write(piece)
      all += piece
      #expect(ring.contents == Array(all.suffix(16)))
    }
  }

  @Test func readingConsumes() throws {
    let (ring, frontEnd) = try started(size: 8)
    frontEnd.write("abcdef")
    #expect(text(ring.read(limit: 2)) == "ab")
    #expect(ring.read(limit: 0) == [])
    #expect(ring.read(limit: -1) == [])
    ring.write(Array("gh".utf8))
    #expect(text(ring.contents) == "cdefgh")
    // The two oldest are pushed out unread.
    frontEnd.write("ijkl")
    #expect(text(ring.read(limit: .max)) == "efghijkl")
    #expect(ring.read(limit: .max) == [])
    frontEnd.write("m")
    #expect(text(ring.read(limit: 100)) == "m")
  }

  @Test func followersReadAtTheirOwnPace() throws {
    let (ring, frontEnd) = try started(size: 8)
    var told: [UInt64] = []
    let observation = ring.follow { told.append($0) }
    frontEnd.write("abc")
    frontEnd.write("de")
    #expect(told == [])
    loop.settle()
    #expect(told == [5])
    #expect(ring.read(limit: .max).count == 5)
    var (bytes, next) = ring.bytes(from: 2, limit: 2)
    #expect(text(bytes) == "cd" && next == 4)
    frontEnd.write("fghijklm")
    loop.settle()
    #expect(told == [5, 13])
    // One byte has been missed.
    (bytes, next) = ring.bytes(from: next)
    #expect(text(bytes) == "fghijklm" && next == 13)
    #expect(ring.bytes(from: 1000) == ([], 13))
    observation.cancel()
    frontEnd.write("n")
    loop.settle()
    #expect(told == [5, 13])
  }

  @Test func waitsForATextWhereverItIsCut() throws {
    let (ring, frontEnd) = try started(size: 4)
    var found: [UInt64] = []
    let observation = ring.wait(for: Array("STARTED".utf8)) { found.append($0) }
    for piece in ["..STAR", "STA", "R", "TED now", "STARTED"] {
      #expect(found == [])
      frontEnd.write(piece)
    }
    #expect(found == [])
    loop.settle()
    #expect(found == [13])
    frontEnd.write("STARTED")
    loop.settle()
    #expect(found == [13], "a wait ends with its text")
    observation.cancel()
  }

  @Test func findsATextThatIsThereAlready() throws {
    let ring = try RingBuffer(size: 64)
    ring.write(Array("login: root\nlogin: ".utf8))
    var found: [UInt64] = []
    let all = [
      ring.wait(for: Array("login: ".utf8)) { found.append($0) },
      ring.wait(for: Array("login: ".utf8), from: 5) { found.append($0) },
      ring.wait(for: Array("none".utf8)) { found.append($0) },
      ring.wait(for: []) { found.append($0) },
    ]
    #expect(found == [])
    try ring.start(on: loop)
    loop.settle()
    #expect(found == [7, 19, 0])
    all[2].cancel()
    ring.write(Array("none".utf8))
    loop.settle()
    #expect(found == [7, 19, 0])
  }

  @Test func isWritableForAsLongAsThatIsWanted() throws {
    let (ring, frontEnd) = try started(size: 8)
    frontEnd.setWantsWritable(true)
    #expect(frontEnd.writableCalls == 0)
    #expect(loop.turn { frontEnd.writableCalls >= 2 })
    frontEnd.setWantsWritable(false)
    loop.settle()
    #expect(loop.sleepsThroughATurn())
    frontEnd.setWantsWritable(true)
    ring.stop()
    let calls = frontEnd.writableCalls
    loop.settle()
    #expect(frontEnd.writableCalls == calls)
  }
}

@Suite struct TextMatcherTests {
  /// Against the plain way of doing it, with texts that begin like themselves.
  @Test(arguments: ["a", "aab", "abab", "aabaaab", "abcabcabd"])
  func findsWhatAPlainSearchFinds(_ text: String) {
    let text = Array(text.utf8)
    var state: UInt32 = 7
    let stream = (0..<3000).map { _ -> UInt8 in
      state = state &* 1_103_515_245 &+ 12345
      return UInt8(ascii: "a") + UInt8((state >> 16) % 3)
    }
    let first = stream.indices.first { stream[$0...].starts(with: text) }
    for step in [1, 2, 5, 100, 3000] {
      var matcher = TextMatcher(text)
      var position = 0
      var end: Int?
      while end == nil, position < stream.count {
        let piece = stream[position..<min(stream.count, position + step)]
        end = matcher.find(in: piece).map { position + $0 }
        position += piece.count
      }
      #expect(end == first.map { $0 + text.count })
    }
  }
}
