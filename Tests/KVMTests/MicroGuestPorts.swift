import Host
import KVM
import Synchronization

/// What the micro guest finds at its ports and addresses: COM1, the ways to end, and registers that
/// remember what was written.
final class MicroGuestPorts: VCPUExitHandler {
  struct State {
    var output: [UInt8] = []
    var registers: [UInt64: UInt8] = [:]
    var ends: [Int: VCPUEnd] = [:]
    var powerOff: UInt32?
    var reset: UInt16?

    var lines: [String] {
      String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    }
  }

  private let state = Mutex(State())
  private let progress: EventFD
  private let onWrite: @Sendable (UInt16, UInt32) -> Void

  init(onWrite: @escaping @Sendable (UInt16, UInt32) -> Void) throws {
    self.onWrite = onWrite
    progress = try EventFD()
  }

  var current: State { state.withLock { $0 } }

  func note(_ end: VCPUEnd, of processor: Int) {
    state.withLock { $0.ends[processor] = end }
    progress.signal()
  }

  func wait(seconds: Double, until condition: (State) -> Bool) -> Bool {
    let deadline = Deadline(seconds: seconds)
    while !condition(current) {
      guard deadline.wait(for: progress.rawValue) else { return condition(current) }
      progress.drain()
    }
    return true
  }

  // MARK: - VCPUExitHandler

  func portWrite(port: UInt16, width: Int, value: UInt32) {
    state.withLock { state in
      switch (port, value) {
      case (0x3f8, _): state.output.append(UInt8(truncatingIfNeeded: value))
      case (0x604, _): state.powerOff = value
      case (0x64, 0xfe), (0xcf9, 0x06): state.reset = port
      default: state.set(UInt64(port), width, UInt64(value))
      }
    }
    onWrite(port, value)
    progress.signal()
  }

  func portRead(port: UInt16, width: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: current.get(UInt64(port), width))
  }

  func mmioWrite(address: UInt64, width: Int, value: UInt64) {
    state.withLock { $0.set(address, width, value) }
  }

  func mmioRead(address: UInt64, width: Int) -> UInt64 { current.get(address, width) }
}

extension MicroGuestPorts.State {
  fileprivate mutating func set(_ address: UInt64, _ width: Int, _ value: UInt64) {
    for offset in 0..<width {
      registers[address + UInt64(offset)] = UInt8(truncatingIfNeeded: value >> (8 * offset))
    }
  }

  fileprivate func get(_ address: UInt64, _ width: Int) -> UInt64 {
    (0..<width).reduce(0) { value, offset in
      value | UInt64(registers[address + UInt64(offset)] ?? 0xff) << (8 * offset)
    }
  }
}
