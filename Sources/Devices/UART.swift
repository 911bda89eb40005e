import Synchronization

/// A 16550A serial port.
///
/// Its closures and its interrupt line are called without its registers' lock. The interrupt is
/// edge-triggered: each new cause is one pulse. Input beyond what fits is refused, never dropped.
package final class UART: ByteRegisterDevice {
  /// The length of its range of ports.
  package static let size: UInt64 = 8

  private let registers = Mutex(UARTRegisters())
  /// With a lock of its own, for the length of an edge.
  private let interrupt: Mutex<any InterruptLine>
  private let output: @Sendable (UInt8) -> Void
  private let onInputSpace: @Sendable () -> Void

  /// - Parameters:
  ///   - interrupt: COM1's IRQ 4.
  ///   - output: takes each byte the guest transmits, on the vCPU thread; it must not block.
  ///   - onInputSpace: told, on the vCPU thread, when there is room for input again after
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

  /// How many bytes `receive(_:)` would take now. If that is none, `onInputSpace` will be called.
  /// Callable on any thread.
  package func inputSpace() -> Int {
    registers.withLock { $0.space() }
  }

  /// Gives host input to the guest and returns how many of the bytes were taken. Once there is no
  /// more room, `onInputSpace` will be called. Callable on any thread.
  package func receive(_ bytes: some Collection<UInt8>) -> Int {
    let (count, effects) = registers.withLock { $0.receive(bytes) }
    perform(effects)
    return count
  }

  /// Lets the guest notice a break, as Linux does for the magic SysRq key; nothing comes of it where
  /// there is no room for input. Callable on any thread.
  package func receiveBreak() {
    perform(registers.withLock { $0.receiveBreak() })
  }

  /// A register, with its side effects.
  package func readByte(offset: UInt64) -> UInt8 {
    let (value, effects) = registers.withLock { $0.read(offset) }
    perform(effects)
    return value
  }

  /// A register, with its side effects.
  package func writeByte(offset: UInt64, value: UInt8) {
    perform(registers.withLock { $0.write(offset, value) })
  }

  private func perform(_ effects: UARTRegisters.Effects) {
    if let byte = effects.output { output(byte) }
    if effects.interrupt { raiseEdge() }
    if effects.inputSpace { onInputSpace() }
  }

  /// One thread's edge after the other's: a line that rises before it has fallen is no edge, and the
  /// guest would never hear of the second cause.
  private func raiseEdge() {
    interrupt.withLock {
      $0.setLevel(true)
      $0.setLevel(false)
    }
  }
}
