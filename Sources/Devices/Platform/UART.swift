import Synchronization

/// A 16550A serial port.
///
/// Its closures and its interrupt line are called without its registers' lock. The interrupt is
/// edge-triggered: each new cause is one pulse. Input beyond what fits is refused, never dropped.
package final class UART: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 8

  private let registers = Mutex(Registers())
  /// With a lock of its own, for the length of an edge.
  private let interrupt: Mutex<any InterruptLine>
  private let output: @Sendable (UInt8) -> Void
  private let onInputSpace: @Sendable () -> Void

  /// - Parameters:
  ///   - interrupt: COM1's IRQ 4.
  ///   - output: takes each byte the guest transmits, on the vCPU thread; it must not block.
  ///   - onInputSpace: called on the vCPU thread when there is room for input again after
  ///     `inputSpace()` or `receive(_:)` left none.
  package init(
    interrupt: any InterruptLine,
    output: @escaping @Sendable (UInt8) -> Void,
    onInputSpace: @escaping @Sendable () -> Void
  ) {
    self.interrupt = Mutex(interrupt)
    self.output = output
    self.onInputSpace = onInputSpace
  }

  /// How many bytes `receive(_:)` would take now; after 0 `onInputSpace` will be called. Callable on
  /// any thread.
  package func inputSpace() -> Int { access { $0.space() } }

  /// Gives host input to the guest and returns how many of the bytes were taken. If that fills the
  /// room, `onInputSpace` will be called. Callable on any thread.
  package func receive(_ bytes: some Collection<UInt8>) -> Int { access { $0.receive(bytes) } }

  /// Sends a break, which Linux takes for the magic SysRq key; dropped if there is no room for input.
  /// Callable on any thread.
  package func receiveBreak() { access { $0.receiveBreak() } }

  /// A register, with its side effects.
  package func readByte(offset: UInt64) -> UInt8 { access { $0.read(offset) } }

  /// A register, with its side effects.
  package func writeByte(offset: UInt64, value: UInt8) { access { $0.write(offset, value) } }

  private func access<Value: Sendable>(_ body: (inout Registers) -> Value) -> Value {
    let (value, effects) = registers.withLock { registers in
      registers.effects = .init()
      return (body(&registers), registers.effects)
    }
    if let byte = effects.output { output(byte) }
    if effects.interrupt {
      // Edges of several threads must not overlap: a line that rises before it has fallen has no
      // second edge, and the guest would miss the second cause.
      interrupt.withLock {
        $0.setLevel(true)
        $0.setLevel(false)
      }
    }
    if effects.inputSpace { onInputSpace() }
    return value
  }
}

/// The registers of a 16550A as a value. Transmission takes no time, so the transmitter is always
/// empty. Names are the data sheet's.
private struct Registers {
  /// What the device performs after an access.
  struct Effects {
    /// A byte was transmitted.
    var output: UInt8?
    /// A new cause of interrupt has come up: one edge.
    var interrupt = false
    /// The host, once refused, can deliver input again.
    var inputSpace = false
  }

  /// Bytes of host input held for the guest.
  static let inputCapacity = 64
  /// A true 16550A's FIFO; Linux counts it in loopback and takes a deeper one for another chip.
  private static let loopbackCapacity = 16

  var effects = Effects()
  private var interruptEnable: UInt8 = 0
  private var lineControl: UInt8 = 0
  private var modemControl: UInt8 = 0
  private var scratch: UInt8 = 0
  private var divisor: (low: UInt8, high: UInt8) = (12, 0)
  private var hasFIFO = false
  private var input: [UInt8] = []
  private var hasOverrun = false
  /// The index in `input` of the zero byte that stands for a break.
  private var breakPlace: Int?
  private var isTransmitInterruptPending = false
  private var isHostWaiting = false

  private var isLoopback: Bool { modemControl & ModemControl.loopback != 0 }
  private var isDivisorVisible: Bool { lineControl & 0x80 != 0 }

  mutating func read(_ register: UInt64) -> UInt8 {
    switch register {
    case 0 where isDivisorVisible: divisor.low
    case 0: popInput()
    case 1 where isDivisorVisible: divisor.high
    case 1: interruptEnable
    case 2: identifyInterrupt()
    case 3: lineControl
    case 4: modemControl
    case 5: readLineStatus()
    case 6: modemStatus
    case 7: scratch
    default: 0xff
    }
  }

  mutating func write(_ register: UInt64, _ value: UInt8) {
    switch register {
    case 0 where isDivisorVisible: divisor.low = value
    case 0: transmit(value)
    case 1 where isDivisorVisible: divisor.high = value
    case 1: enableInterrupts(value & Interrupt.all)
    case 2: controlFIFO(value)
    case 3: lineControl = value
    case 4:
      modemControl = value & ModemControl.all
      noteSpace()
    case 7: scratch = value
    default: break
    }
  }

  /// Room for host input; after 0 an effect says when there is some.
  mutating func space() -> Int {
    let space = isLoopback ? 0 : Self.inputCapacity - input.count
    if space == 0 { isHostWaiting = true }
    return space
  }

  /// Takes as many bytes as there is room for.
  mutating func receive(_ bytes: some Collection<UInt8>) -> Int {
    let taken = bytes.prefix(space())
    input.append(contentsOf: taken)
    _ = space()
    effects.interrupt = !taken.isEmpty && interruptEnable & Interrupt.dataReady != 0
    return taken.count
  }

  /// The line is held low for longer than a byte takes: read as a zero byte with a flag.
  mutating func receiveBreak() {
    guard space() > 0 else { return }
    breakPlace = input.count
    input.append(0)
    let causes = Interrupt.dataReady | Interrupt.lineStatus
    effects.interrupt = interruptEnable & causes != 0
  }

  private mutating func popInput() -> UInt8 {
    guard !input.isEmpty else { return 0 }
    let byte = input.removeFirst()
    breakPlace = breakPlace.flatMap { $0 > 0 ? $0 - 1 : nil }
    noteSpace()
    return byte
  }

  /// Half the room, so that a long input comes in few large pieces.
  private mutating func noteSpace() {
    guard isHostWaiting, !isLoopback, input.count <= Self.inputCapacity / 2 else { return }
    isHostWaiting = false
    effects.inputSpace = true
  }

  private mutating func transmit(_ byte: UInt8) {
    isTransmitInterruptPending = true
    var causes = Interrupt.transmitterEmpty
    if !isLoopback {
      effects.output = byte
    } else if input.count < Self.loopbackCapacity {
      input.append(byte)
      causes |= Interrupt.dataReady
    } else {
      hasOverrun = true
      causes |= Interrupt.lineStatus
    }
    effects.interrupt = interruptEnable & causes != 0
  }

  private mutating func enableInterrupts(_ value: UInt8) {
    let newlyEnabled = value & ~interruptEnable
    interruptEnable = value
    if newlyEnabled & Interrupt.transmitterEmpty != 0 { isTransmitInterruptPending = true }
    effects.interrupt = newlyEnabled & pendingCauses != 0
  }

  private mutating func controlFIFO(_ value: UInt8) {
    let enable = value & 0x01 != 0
    if enable != hasFIFO || (enable && value & 0x02 != 0) {
      input.removeAll(keepingCapacity: true)
      breakPlace = nil
      noteSpace()
    }
    hasFIFO = enable
  }

  private var pendingCauses: UInt8 {
    (input.isEmpty ? 0 : Interrupt.dataReady)
      | (isTransmitInterruptPending ? Interrupt.transmitterEmpty : 0)
      | (hasOverrun || breakPlace == 0 ? Interrupt.lineStatus : 0)
  }

  private mutating func identifyInterrupt() -> UInt8 {
    let causes = pendingCauses & interruptEnable
    let fifoBits: UInt8 = hasFIFO ? 0xc0 : 0
    if causes & Interrupt.lineStatus != 0 { return fifoBits | 0x06 }
    if causes & Interrupt.dataReady != 0 { return fifoBits | 0x04 }
    guard causes & Interrupt.transmitterEmpty != 0 else { return fifoBits | 0x01 }
    isTransmitInterruptPending = false
    return fifoBits | 0x02
  }

  private mutating func readLineStatus() -> UInt8 {
    let dataReady: UInt8 = input.isEmpty ? 0 : 0x01
    let overrun: UInt8 = hasOverrun ? 0x02 : 0
    // Reported once, when its byte is the next to be read.
    let isBreakNext = breakPlace == 0
    if isBreakNext { breakPlace = nil }
    hasOverrun = false
    return 0x60 | dataReady | overrun | (isBreakNext ? 0x10 : 0)
  }

  /// DCD, DSR and CTS are always asserted; in loopback, the guest drives them itself.
  private var modemStatus: UInt8 {
    guard isLoopback else { return 0xb0 }
    return (modemControl & ModemControl.requestToSend) << 3
      | (modemControl & ModemControl.dataTerminalReady) << 5
      | (modemControl & (ModemControl.out1 | ModemControl.out2)) << 4
  }
}

/// Bits of the interrupt enable register; modem status, bit 3, never changes.
private enum Interrupt {
  static let dataReady: UInt8 = 1 << 0
  static let transmitterEmpty: UInt8 = 1 << 1
  static let lineStatus: UInt8 = 1 << 2
  static let all: UInt8 = 0x0f
}

private enum ModemControl {
  static let dataTerminalReady: UInt8 = 1 << 0
  static let requestToSend: UInt8 = 1 << 1
  static let out1: UInt8 = 1 << 2
  static let out2: UInt8 = 1 << 3
  static let loopback: UInt8 = 1 << 4
  static let all: UInt8 = 0x1f
}
