import Devices
import Testing

enum DeviceAccess: Equatable {
  case read(offset: UInt64, width: Int)
  case write(offset: UInt64, width: Int, value: UInt64)
}

/// Notes each access, and holds the address space to the protocol's promises.
final class RecordingDevice: AddressSpaceDevice {
  let accesses = Recorder<DeviceAccess>()
  private let size: UInt64
  private let answer: UInt64

  init(size: UInt64, answer: UInt64 = 0) {
    self.size = size
    self.answer = answer
  }

  func read(offset: UInt64, width: Int) -> UInt64 {
    check(offset, width)
    accesses.record(.read(offset: offset, width: width))
    return answer
  }

  func write(offset: UInt64, width: Int, value: UInt64) {
    check(offset, width)
    #expect(value & ~UInt64.allOnes(width: width) == 0)
    accesses.record(.write(offset: offset, width: width, value: value))
  }

  private func check(_ offset: UInt64, _ width: Int) {
    #expect([1, 2, 4, 8].contains(width))
    #expect(offset < size && UInt64(width) <= size - offset)
  }
}
