import Devices
import Testing

/// The event and the registers by which a guest hears of slots that are filled and emptied.
@Suite struct ACPIPCIHotplugTests {
  let line = RecordingLine()
  let ejections = Recorder<Int>()
  let device: ACPIPCIHotplug

  init() {
    device = ACPIPCIHotplug(interrupt: line) { [ejections] in ejections.record($0) }
  }

  private func enable() { device.write(offset: 2, width: 2, value: 2) }

  /// As ACPICA handles an event that is edge-triggered: clears it, disables it, runs its method,
  /// enables it.
  private func handle() -> (filled: UInt64, toBeEmptied: UInt64) {
    device.write(offset: 0, width: 1, value: 2)
    device.write(offset: 2, width: 1, value: 0)
    let slots = (device.read(offset: 4, width: 4), device.read(offset: 8, width: 4))
    device.write(offset: 2, width: 1, value: 2)
    return slots
  }

  @Test func startsQuiet() {
    enable()
    #expect(device.read(offset: 0, width: 4) == 2 << 16)
    for offset: UInt64 in [4, 8, 12] { #expect(device.read(offset: offset, width: 4) == 0) }
    #expect(line.levels.events.isEmpty)
  }

  @Test("A slot that is filled or to be emptied is told once for each time it is asked for")
  func tells() {
    enable()
    device.slotFilled(31)
    device.slotFilled(3)
    #expect(line.levels.take() == [true])
    #expect(handle() == (1 << 31 | 1 << 3, 0))
    #expect(line.levels.take() == [false])
    device.requestRemoval(ofSlot: 3)
    #expect(line.levels.take() == [true])
    #expect(handle() == (0, 1 << 3))
    #expect(line.levels.take() == [false], "no storm while the guest works on it")
    device.slotFilled(4)
    #expect(handle() == (1 << 4, 0), "emptied twice, the slot might lose its next device")
    device.requestRemoval(ofSlot: 3)
    #expect(handle() == (0, 1 << 3), "asked again")
    device.write(offset: 12, width: 4, value: 1 << 3 | 1 << 31)
    #expect(ejections.events == [3, 31])
    #expect(handle() == (0, 0))
  }

  @Test("What a kernel cleared before it could read of it is told when it listens")
  func tellsLate() {
    device.requestRemoval(ofSlot: 1)
    device.slotFilled(2)
    #expect(line.levels.events.isEmpty)
    device.write(offset: 0, width: 2, value: 0xffff)
    enable()
    #expect(line.levels.take() == [true])
    #expect(handle() == (1 << 2, 1 << 1))
    #expect(line.levels.take() == [false])
  }

  @Test("Other events can be enabled, and never come")
  func otherEvents() {
    device.write(offset: 2, width: 2, value: 0xfffd)
    device.slotFilled(1)
    #expect(device.read(offset: 0, width: 4) == 0xfffd_0002)
    #expect(line.levels.events.isEmpty)
    device.write(offset: 4, width: 4, value: .max)
    device.write(offset: 8, width: 4, value: .max)
    #expect(device.read(offset: 4, width: 4) == 2, "read-only")
    #expect(ejections.events.isEmpty)
  }
}
