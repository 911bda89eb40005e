import CKVM
import Glibc
import Host

@testable import Chardev

/// A chardev between two pipes, with its front end.
final class Console {
  let loop: EventLoop
  let standardIO: DescriptorChardev
  let frontEnd: RecordingFrontEnd
  var ends = 0
  /// The far ends.
  var keyboard: Int32
  let screen: Int32

  init(escape: EscapeKey? = nil, makeEnds: (inout [Int32]) -> Int32 = { pipe(&$0) }) throws {
    var input: [Int32] = [-1, -1]
    var output: [Int32] = [-1, -1]
    guard makeEnds(&input) == 0, makeEnds(&output) == 0 else { fatalError("pipe: \(errno)") }
    (keyboard, screen) = (input[1], output[0])
    loop = try EventLoop()
    let end = WeakConsole()
    let standardIO = try DescriptorChardev(standardInput: input[0], standardOutput: output[1])
    self.standardIO = standardIO
    close(input[0])
    close(output[1])
    let mux = escape.map {
      MuxChardev(standardIO, escape: $0, whenEnded: { end.console?.ends += 1 })
    }
    frontEnd = RecordingFrontEnd(mux?.makeEnd() ?? standardIO)
    end.console = self
    try frontEnd.chardev.start(on: loop)
    loop.settle()
  }

  deinit {
    frontEnd.chardev.stop()
    hangUp()
    close(screen)
  }

  func type(_ text: String) {
    _ = Glibc.write(keyboard, text, text.utf8.count)
  }

  func hangUp() {
    if keyboard >= 0 { close(keyboard) }
    keyboard = -1
  }

  func shown(_ count: Int = 4096) -> String {
    var buffer = [UInt8](repeating: 0, count: count)
    let count = Glibc.read(screen, &buffer, count)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }
}

final class WeakConsole {
  weak var console: Console?
}

func socketPair(_ ends: inout [Int32]) -> Int32 {
  socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
}
