import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

@Suite struct PseudoTerminalTests {
  private let loop: EventLoop
  private let terminal: PseudoTerminal
  private let frontEnd: RecordingFrontEnd

  init() throws {
    loop = try EventLoop()
    terminal = try PseudoTerminal()
    frontEnd = RecordingFrontEnd(terminal)
    try terminal.start(on: loop)
    loop.settle()
  }

  /// A program that opens the terminal; it reads without waiting.
  private func open() -> FileDescriptor {
    FileDescriptor(owning: Glibc.open(terminal.path, O_RDWR | O_NOCTTY | O_NONBLOCK))
  }

  private func read(_ descriptor: borrowing FileDescriptor) -> String {
    var buffer = [UInt8](repeating: 0, count: 65536)
    var status = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    _ = poll(&status, 1, 20_000)
    let count = Glibc.read(descriptor.rawValue, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }

  @Test func isThereButUnconnectedUntilAProgramOpensIt() throws {
    #expect(terminal.path.hasPrefix("/dev/pts/"))
    #expect(terminal.filename == "pty:" + terminal.path)
    #expect(frontEnd.events == [])
    #expect(frontEnd.write("unread") == .disconnected)
    #expect(frontEnd.read() == .disconnected)
    frontEnd.setWantsReadable(true)
    frontEnd.setWantsWritable(true)
    #expect(loop.sleepsThroughATurn())
    let program = open()
    #expect(loop.turn { frontEnd.events == [.connected] })
    frontEnd.setWantsWritable(false)
    #expect(frontEnd.write("hello\n") == .transferred(6))
    #expect(read(program) == "hello\n")
    terminal.stop()
  }

  @Test func passesEveryByteAsItIs() throws {
    let program = open()
    frontEnd.setWantsReadable(true)
    let bytes = Array(UInt8.min...UInt8.max)
    #expect(write(program.rawValue, bytes, bytes.count) == bytes.count)
    #expect(loop.turn { frontEnd.received.count == bytes.count })
    #expect(frontEnd.received == bytes)
    #expect(frontEnd.write(bytes) == .transferred(bytes.count))
    var back = [UInt8](repeating: 0, count: 1000)
    #expect(Glibc.read(program.rawValue, &back, back.count) == bytes.count)
    #expect(Array(back.prefix(bytes.count)) == bytes)
    terminal.stop()
  }

  /// H13: the hang-up that is reported for ever wakes nothing, and the next program is noticed.
  @Test func hearsOfEveryProgramThatComesAndGoes() throws {
    frontEnd.setWantsReadable(true)
    var events: [RecordingFrontEnd.Event] = []
    for round in 0..<3 {
      do {
        // Silent, as one that only reads.
        let program = open()
        #expect(loop.turn { frontEnd.isConnectedNow })
        #expect(frontEnd.write("round \(round)") == .transferred(7))
        #expect(read(program) == "round \(round)")
      }
      #expect(loop.turn { !frontEnd.isConnectedNow })
      events += [.connected, .disconnected]
      #expect(frontEnd.events == events)
      loop.settle()
      #expect(loop.sleepsThroughATurn())
      #expect(frontEnd.write("unread") == .disconnected)
    }
    terminal.stop()
  }

  /// H16: bytes and hang-up together: bytes first.
  @Test(arguments: [true, false])
  func readsWhatAProgramLeaves(_ isNoticedBefore: Bool) throws {
    do {
      let program = open()
      if isNoticedBefore { #expect(loop.turn { frontEnd.isConnectedNow }) }
      #expect(write(program.rawValue, "last words", 10) == 10)
    }
    loop.settle()
    #expect(frontEnd.events == [.connected], "its bytes are unread")
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.write("late") == .disconnected)
    frontEnd.setWantsReadable(true)
    #expect(loop.turn { frontEnd.events == [.connected, .disconnected] })
    #expect(frontEnd.text == "last words")
    loop.settle()
    #expect(loop.sleepsThroughATurn())
    terminal.stop()
  }

  @Test func severalProgramsCountAsOne() throws {
    let first = open()
    #expect(loop.turn { frontEnd.isConnectedNow })
    do { _ = open() }
    loop.settle()
    #expect(frontEnd.events == [.connected])
    #expect(frontEnd.write("x") == .transferred(1))
    #expect(read(first) == "x")
    terminal.stop()
  }

  /// H3: a program that does not read holds back this port.
  @Test func waitsForAProgramThatDoesNotRead() throws {
    let program = open()
    #expect(loop.turn { frontEnd.isConnectedNow })
    let block = [UInt8](repeating: UInt8(ascii: "x"), count: 1000)
    var written = 0
    while written < 1 << 20, case .transferred(let count) = frontEnd.write(block) {
      written += count
    }
    #expect(written < 1 << 20)
    var taken = 0
    frontEnd.whenWritable = { [unowned frontEnd] in frontEnd.setWantsWritable(false) }
    frontEnd.setWantsWritable(true)
    while taken < written { taken += read(program).utf8.count }
    #expect(taken == written)
    #expect(loop.turn { frontEnd.writableCalls == 1 })
    terminal.stop()
  }

  @Test func undoesWhatAProgramHasSet() throws {
    do {
      let program = open()
      var mode = termios()
      #expect(tcgetattr(program.rawValue, &mode) == 0)
      #expect(mode.c_lflag & tcflag_t(ECHO | ICANON | ISIG) == 0)
      mode.c_lflag |= tcflag_t(ECHO | ICANON)
      mode.c_oflag |= tcflag_t(OPOST | ONLCR)
      #expect(tcsetattr(program.rawValue, TCSANOW, &mode) == 0)
      #expect(loop.turn { frontEnd.isConnectedNow })
    }
    #expect(loop.turn { !frontEnd.isConnectedNow })
    let next = open()
    var mode = termios()
    #expect(tcgetattr(next.rawValue, &mode) == 0)
    #expect(mode.c_lflag & tcflag_t(ECHO | ICANON) == 0)
    #expect(mode.c_oflag & tcflag_t(OPOST) == 0)
    terminal.stop()
  }

  @Test func followsTheWindowsSize() throws {
    let listener = ResizeListener()
    terminal.delegate = listener
    #expect(terminal.terminal?.windowSize == nil)
    let program = open()
    setSize(program, 100, 30)
    #expect(loop.turn { listener.sizes == [[100, 30]] }, "on opening")
    // Another program, as `stty -F` does.
    do { setSize(open(), 80, 25) }
    #expect(loop.turn { listener.sizes.last == [80, 25] }, "on closing")
    setSize(program, 132, 43)
    terminal.setInterest(.readable, true)
    #expect(write(program.rawValue, "x", 1) == 1)
    #expect(loop.turn { listener.sizes.last == [132, 43] }, "on typing")
    #expect(listener.sizes.count == 3)
    terminal.stop()
  }

  @Test func tellsNoDelegateAfterStop() throws {
    let program = open()
    terminal.stop()
    loop.settle()
    #expect(loop.sleepsThroughATurn())
    #expect(frontEnd.events == [])
    var byte: UInt8 = 0
    #expect(Glibc.read(program.rawValue, &byte, 1) <= 0, "a program sees its end")
    #expect(frontEnd.write("x") == .disconnected)
  }

  private func setSize(_ descriptor: borrowing FileDescriptor, _ columns: UInt16, _ rows: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    #expect(ioctl(descriptor.rawValue, UInt(TIOCSWINSZ), &size) == 0)
  }
}

/// Reads, and writes down the sizes it is told of.
private final class ResizeListener: ChardevDelegate {
  var sizes: [[UInt16]] = []

  func chardevDidConnect(_ chardev: any Chardev) {}
  func chardevDidDisconnect(_ chardev: any Chardev) {}
  func chardevIsReadable(_ chardev: any Chardev) { _ = chardev.discardInput(limit: 100) }
  func chardevIsWritable(_ chardev: any Chardev) {}

  func chardevDidResize(_ chardev: any Chardev) {
    if let size = chardev.terminal?.windowSize { sizes.append([size.columns, size.rows]) }
  }
}

@Suite struct TerminalLinkTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func target(_ name: String) -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink(directory[name], &buffer, buffer.count)
    return String(
      decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Test func leadsToTheTerminalUntilItStops() throws {
    let terminal = try PseudoTerminal(link: directory["tty"])
    #expect(target("tty") == terminal.path)
    terminal.stop()
    #expect(directory.entries == [])
  }

  @Test func replacesALinkToATerminalThatIsGone() throws {
    try directory.makeLink("tty", to: "/dev/pts/999999")
    let terminal = try PseudoTerminal(link: directory["tty"])
    #expect(target("tty") == terminal.path)
    terminal.stop()
    #expect(directory.entries == [])
  }

  @Test func replacesALinkToWhatIsOursNow() throws {
    try directory.makeLink("tty", to: "/dev/pts/999998")
    let link = try TerminalLink(directory["tty"], to: "/dev/pts/999998")
    #expect(target("tty") == "/dev/pts/999998")
    drop(link)
    #expect(directory.entries == [])
  }

  private func drop(_ link: consuming TerminalLink) {}

  @Test func leavesAloneWhatAnotherHasMade() throws {
    let other = try PseudoTerminal(link: directory["live"])
    try directory.makeFile("file", bytes: [1, 2])
    try directory.makeLink("elsewhere", to: "/nonexistent")
    for name in ["live", "file", "elsewhere", "none/tty"] {
      let error = #expect(throws: ChardevError.self) { try PseudoTerminal(link: directory[name]) }
      #expect(error?.description.contains("'\(directory[name])'") == true)
      #expect(error?.description.contains(";") == true)
    }
    #expect(throws: ChardevError.self) { try PseudoTerminal(link: "") }
    #expect(target("live") == other.path)
    #expect(target("elsewhere") == "/nonexistent")
    #expect(directory.text(of: "file").utf8.count == 2)
    other.stop()
    #expect(directory.entries == ["elsewhere", "file"])
  }

  @Test func removesOnlyItsOwnLink() throws {
    let terminal = try PseudoTerminal(link: directory["tty"])
    #expect(rename(directory["tty"], directory["moved"]) == 0)
    try directory.makeLink("tty", to: terminal.path)
    terminal.stop()
    #expect(directory.entries == ["moved", "tty"])
  }
}
