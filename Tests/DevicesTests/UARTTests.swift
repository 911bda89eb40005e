import Devices
import Glibc
import TestSupport
import Testing

@Suite struct UARTTests {
  let line = RecordingLine()
  let output = Recorder<UInt8>()
  let space = Recorder<Int>()
  let uart: UART

  init() {
    uart = UART(
      interrupt: line, output: { [output] in output.record($0) },
      onInputSpace: { [space] in space.record(1) })
  }

  private func read(_ register: UInt64) -> UInt64 { uart.read(offset: register, width: 1) }
  private func write(_ register: UInt64, _ value: UInt64) {
    uart.write(offset: register, width: 1, value: value)
  }

  // MARK: What Linux's 8250 driver does, in its order

  @Test func linuxFindsA16550A() {
    // Presence.
    let oldEnable = read(Register.ier)
    write(Register.ier, 0)
    #expect(read(Register.ier) & 0x0f == 0)
    write(Register.ier, 0x0f)
    #expect(read(Register.ier) & 0x0f == 0x0f)
    write(Register.ier, oldEnable)
    // Loopback.
    let oldModemControl = read(Register.mcr)
    write(Register.mcr, 0x1a)
    #expect(read(Register.msr) & 0xf0 == 0x90)
    write(Register.mcr, oldModemControl)
    // No extended features at LCR 0xbf, then the FIFO.
    write(Register.lcr, 0xbf)
    write(Register.fcr, 0)
    write(Register.lcr, 0)
    write(Register.fcr, 1)
    #expect(read(Register.iir) >> 6 == 3)
    // Not a 16650: its feature register would read zero.
    for lineControl in [0x80, 0xbf] as [UInt64] {
      write(Register.lcr, lineControl)
      #expect(read(Register.iir) != 0)
    }
    // Not a National Semiconductor: register 2 in bank 2 does not follow the loopback bit.
    write(Register.lcr, 0)
    write(Register.mcr, 0x10)
    write(Register.lcr, 0xe0)
    #expect(read(Register.iir) & 0x10 == 0)
    write(Register.lcr, 0)
    write(Register.mcr, 0)
    // Not a 16750: no 64-byte FIFO, with the divisor latch shown or not.
    write(Register.fcr, 0x21)
    #expect(read(Register.iir) >> 5 == 6)
    write(Register.fcr, 1)
    write(Register.lcr, 0x80)
    write(Register.fcr, 0x21)
    #expect(read(Register.iir) >> 5 == 6)
    write(Register.fcr, 1)
    write(Register.lcr, 0)
    // Not an XScale: no unit enable bit.
    write(Register.ier, 0x40)
    #expect(read(Register.ier) & 0x40 == 0)
    #expect(countLoopbackFIFO() == 16)
    #expect(output.events.isEmpty)
  }

  /// Linux counts the bytes a loopback holds; 64 would be a "U6_16550A".
  private func countLoopbackFIFO() -> Int {
    write(Register.fcr, 0x07)
    write(Register.mcr, 0x10)
    write(Register.lcr, 0x80)
    write(Register.data, 1)
    write(Register.ier, 0)
    write(Register.lcr, 0x03)
    for byte in 0..<256 as Range<UInt64> { write(Register.data, byte) }
    var count = 0
    while read(Register.lsr) & 1 != 0, count < 256 {
      #expect(read(Register.data) == UInt64(count))
      count += 1
    }
    write(Register.mcr, 0)
    return count
  }

  @Test func transmitterInterruptComesBackEachTimeItIsEnabled() {
    for _ in 1...3 {
      #expect(read(Register.lsr) & 0x60 == 0x60)
      write(Register.ier, 0x02)
      #expect(line.takeEdges() == 1)
      #expect(read(Register.iir) == 0x02)
      #expect(read(Register.iir) == 0x01)
      write(Register.ier, 0)
    }
  }

  @Test func scratchAndDivisorReadBack() {
    for value in [0x55, 0xaa] as [UInt64] {
      write(Register.scr, value)
      #expect(read(Register.scr) == value)
    }
    write(Register.lcr, 0x83)
    #expect(uart.read(offset: 0, width: 2) == 12)
    uart.write(offset: 0, width: 2, value: 0)
    #expect(uart.read(offset: 0, width: 2) == 0)
    uart.write(offset: 0, width: 2, value: 0x1234)
    #expect(read(0) == 0x34 && read(1) == 0x12)
    write(Register.lcr, 0x03)
    #expect(read(Register.ier) == 0 && read(Register.lcr) == 0x03)
    #expect(output.events.isEmpty)
  }

  @Test func statusLinesAreThoseOfALivePeer() {
    #expect(read(Register.lsr) == 0x60)
    #expect(read(Register.msr) == 0xb0)
    write(Register.lsr, 0xff)
    write(Register.msr, 0xff)
    #expect(read(Register.lsr) == 0x60 && read(Register.msr) == 0xb0)
  }

  @Test func loopbackTurnsModemControlIntoModemStatus() {
    for (control, status) in [(0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80)] {
      write(Register.mcr, UInt64(control))
      #expect(read(Register.msr) == UInt64(status))
    }
  }

  // MARK: Output

  @Test func bytesGoOutInOrder() {
    for byte in Array("hello\n".utf8) { write(Register.data, UInt64(byte)) }
    #expect(output.events == Array("hello\n".utf8))
    #expect(line.takeEdges() == 0)
  }

  @Test func eachByteSentIsACause() {
    write(Register.ier, 0x02)
    _ = read(Register.iir)
    _ = line.takeEdges()
    write(Register.data, 0x41)
    #expect(line.takeEdges() == 1)
    #expect(read(Register.iir) == 0x02)
    #expect(read(Register.iir) == 0x01)
  }

  // MARK: Input

  @Test func inputInterruptsAndReadsInOrder() {
    write(Register.ier, 0x01)
    #expect(uart.receive([1, 2, 3]) == 3)
    #expect(line.takeEdges() == 1)
    #expect(read(Register.iir) == 0x04)
    for byte in 1...3 as ClosedRange<UInt64> {
      #expect(read(Register.lsr) & 1 == 1)
      #expect(read(Register.data) == byte)
    }
    #expect(read(Register.lsr) & 1 == 0)
    #expect(read(Register.iir) == 0x01)
    #expect(read(Register.data) == 0)
  }

  /// The magic SysRq key of a serial line: a zero byte that the line status calls a break, once.
  @Test func aBreakIsAByteOfItsOwn() {
    write(Register.ier, 0x05)
    #expect(uart.receive([0, 7]) == 2)
    #expect(line.takeEdges() == 1)
    uart.receiveBreak()
    #expect(line.takeEdges() == 1)
    for byte in [0, 7] as [UInt64] {
      #expect(read(Register.iir) == 0x04)
      #expect(read(Register.lsr) & 0x11 == 0x01)
      #expect(read(Register.data) == byte)
    }
    #expect(read(Register.iir) == 0x06)
    #expect(read(Register.lsr) & 0x11 == 0x11)
    #expect(read(Register.lsr) & 0x11 == 0x01)
    #expect(read(Register.data) == 0)
    #expect(read(Register.lsr) & 0x11 == 0)
    #expect(uart.receive([UInt8](repeating: 0, count: 100)) == 64)
    uart.receiveBreak()
    #expect(read(Register.lsr) & 0x11 == 0x01, "no room for it")
  }

  @Test func inputBeforeTheInterruptIsEnabledIsACauseThen() {
    #expect(uart.receive([7]) == 1)
    #expect(line.takeEdges() == 0)
    write(Register.ier, 0x01)
    #expect(line.takeEdges() == 1)
  }

  @Test func inputHasPriorityOverTheTransmitter() {
    write(Register.ier, 0x03)
    #expect(uart.receive([7]) == 1)
    #expect(read(Register.iir) == 0x04)
    #expect(read(Register.iir) == 0x04)
    _ = read(Register.data)
    #expect(read(Register.iir) == 0x02)
    #expect(read(Register.iir) == 0x01)
  }

  @Test func fullInputRefusesAndTellsWhenHalfIsFree() {
    #expect(uart.inputSpace() == 64)
    #expect(uart.receive([UInt8](0..<100)) == 64)
    #expect(uart.inputSpace() == 0)
    #expect(uart.receive([1]) == 0)
    for _ in 0..<31 { _ = read(Register.data) }
    #expect(space.events.isEmpty)
    #expect(read(Register.data) == 31)
    #expect(space.events.count == 1)
    #expect(uart.inputSpace() == 32)
    while read(Register.lsr) & 1 != 0 { _ = read(Register.data) }
    #expect(space.events.count == 1)
  }

  @Test func nobodyIsToldWhoWasNotRefused() {
    #expect(uart.receive([UInt8](0..<63)) == 63)
    while read(Register.lsr) & 1 != 0 { _ = read(Register.data) }
    #expect(space.events.isEmpty)
  }

  @Test(arguments: [0x00, 0x03] as [UInt64])
  func clearingTheFIFODropsInputAndMakesRoom(control: UInt64) {
    write(Register.fcr, 0x01)
    #expect(uart.receive([UInt8](0..<64)) == 64)
    write(Register.fcr, control)
    #expect(read(Register.lsr) & 1 == 0)
    #expect(space.events.count == 1)
  }

  @Test func rewritingTheSameFIFOControlKeepsInput() {
    write(Register.fcr, 0x01)
    #expect(uart.receive([5]) == 1)
    write(Register.fcr, 0x81)
    #expect(read(Register.data) == 5)
  }

  // MARK: Loopback

  @Test func loopbackKeepsBothSidesOut() {
    write(Register.mcr, 0x10)
    #expect(uart.inputSpace() == 0)
    #expect(uart.receive([9]) == 0)
    write(Register.data, 0x41)
    #expect(read(Register.data) == 0x41)
    #expect(output.events.isEmpty && space.events.isEmpty)
    write(Register.mcr, 0)
    #expect(space.events.count == 1)
    #expect(uart.receive([9]) == 1)
  }

  @Test func loopbackFloodOverrunsAndStaysBounded() {
    write(Register.mcr, 0x10)
    write(Register.ier, 0x04)
    for _ in 0..<100_000 { write(Register.data, 0x41) }
    #expect(line.takeEdges() > 0)
    #expect(read(Register.iir) == 0x06)
    #expect(read(Register.lsr) == 0x63)
    #expect(read(Register.lsr) == 0x61)
    #expect(read(Register.iir) == 0x01)
  }

  /// The host's input is one thread's, what the guest transmits another's, and either may be held up
  /// in the middle of its edge.
  @Test func edgesOfTwoThreadsAreTwo() {
    let line = SlowLine()
    let uart = UART(interrupt: line, output: { _ in }, onInputSpace: {})
    uart.write(offset: Register.ier, width: 1, value: 0x01)
    let host = startThread { _ = uart.receive([0x61]) }
    #expect(waitUntil { line.levels.events == [true] })
    uart.write(offset: Register.ier, width: 1, value: 0x03)
    pthread_join(host, nil)
    #expect(line.levels.events == [true, false, true, false])
  }

  @Test func wideAccessesAreSoManyRegisters() {
    write(Register.scr, 0x77)
    #expect(uart.read(offset: 4, width: 4) == 0x77b0_6000)
    #expect(uart.read(offset: 0, width: 8) >> 56 == 0x77)
    uart.write(offset: 6, width: 2, value: 0x66ff)
    #expect(read(Register.scr) == 0x66)
  }
}

/// Stays up for a moment when it first rises.
private final class SlowLine: InterruptLine {
  let levels = Recorder<Bool>()

  func setLevel(_ asserted: Bool) {
    levels.record(asserted)
    if levels.events == [true] { usleep(100_000) }
  }
}

private enum Register {
  static let data: UInt64 = 0
  static let ier: UInt64 = 1
  static let iir: UInt64 = 2
  static let fcr: UInt64 = 2
  static let lcr: UInt64 = 3
  static let mcr: UInt64 = 4
  static let lsr: UInt64 = 5
  static let msr: UInt64 = 6
  static let scr: UInt64 = 7
}
