import Testing

@testable import Control

/// What waits for a client that reads.
@Suite struct OutputBufferTests {
  @Test("Text comes out in order, whatever parts go", arguments: [1, 3, 64, 1000])
  func keepsTheOrder(part: Int) {
    var buffer = OutputBuffer()
    var (put, taken): ([UInt8], [UInt8]) = ([], [])
    for number in 0..<200 {
      let text = "message \(number)\n"
      buffer.append(text)
      put += text.utf8
      let sent = buffer.rest.prefix(part)
      taken += sent
      buffer.removeFirst(sent.count)
      #expect(buffer.count == put.count - taken.count)
    }
    while !buffer.isEmpty {
      let sent = buffer.rest.prefix(part)
      taken += sent
      buffer.removeFirst(sent.count)
    }
    #expect(taken == put)
    buffer.append("x")
    buffer.removeAll()
    #expect(buffer.isEmpty && buffer.rest.isEmpty)
  }
}
