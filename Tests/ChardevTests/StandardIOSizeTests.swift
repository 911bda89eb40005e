import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// The size of the terminal behind standard output.
@Suite final class StandardIOSizeTests {
  private final class SizeListener: ChardevDelegate {
    var sizes: [[UInt16]] = []

    func chardevDidConnect(_ chardev: any Chardev) {}
    func chardevDidDisconnect(_ chardev: any Chardev) {}
    func chardevIsReadable(_ chardev: any Chardev) {}
    func chardevIsWritable(_ chardev: any Chardev) {}

    func chardevDidResize(_ chardev: any Chardev) {
      if let size = chardev.terminal?.windowSize { sizes.append([size.columns, size.rows]) }
    }
  }

  private let controller = FileDescriptor(owning: posix_openpt(O_RDWR | O_NOCTTY))

  private func openTerminal() throws -> FileDescriptor {
    var name = [CChar](repeating: 0, count: 64)
    try #require(grantpt(controller.rawValue) == 0 && unlockpt(controller.rawValue) == 0)
    try #require(ptsname_r(controller.rawValue, &name, name.count) == 0)
    return FileDescriptor(owning: open(name, O_RDWR | O_NOCTTY))
  }

  private func setSize(_ columns: UInt16, _ rows: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    #expect(ioctl(controller.rawValue, UInt(TIOCSWINSZ), &size) == 0)
  }

  @Test func tellsOfEachChangeOnce() throws {
    let terminal = try openTerminal()
    setSize(100, 30)
    let standardIO = try DescriptorChardev(
      standardInput: terminal.rawValue, standardOutput: terminal.rawValue)
    let listener = SizeListener()
    standardIO.delegate = listener
    #expect(
      standardIO.terminal?.windowSize?.columns == 100 && standardIO.terminal?.windowSize?.rows == 30
    )
    standardIO.terminal?.windowSizeMayHaveChanged()
    #expect(listener.sizes == [])
    setSize(120, 40)
    standardIO.terminal?.windowSizeMayHaveChanged()
    standardIO.terminal?.windowSizeMayHaveChanged()
    setSize(0, 0)
    standardIO.terminal?.windowSizeMayHaveChanged()
    #expect(listener.sizes == [[120, 40]], "a terminal that does not know says nothing")
  }

  @Test func noTerminalHasNoSize() throws {
    let null = FileDescriptor(owning: open("/dev/null", O_RDWR))
    let standardIO = try DescriptorChardev(
      standardInput: null.rawValue, standardOutput: null.rawValue)
    standardIO.terminal?.windowSizeMayHaveChanged()
    #expect(standardIO.terminal?.windowSize == nil)
    let sink: any Chardev = NullChardev()
    sink.terminal?.windowSizeMayHaveChanged()
    #expect(sink.terminal?.windowSize == nil)
  }
}
