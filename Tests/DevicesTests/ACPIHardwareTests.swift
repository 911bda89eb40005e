import Devices
import Testing

@Suite struct PowerManagementTests {
  let line = RecordingLine()
  let powerOffs = Recorder<Int>()
  let device: PowerManagement

  init() {
    device = PowerManagement(interrupt: line) { [powerOffs] in powerOffs.record(1) }
  }

  @Test func startsQuietInACPIMode() {
    #expect(device.read(offset: 0, width: 4) == 0)
    #expect(device.read(offset: 4, width: 2) == 1)
    device.write(offset: 4, width: 2, value: 0)
    #expect(device.read(offset: 4, width: 2) == 1)
    #expect(line.levels.events.isEmpty)
  }

  /// As ACPICA does it: clear, enable, then on the SCI read and clear.
  @Test func powerButtonRaisesTheInterruptUntilCleared() {
    device.write(offset: 0, width: 2, value: 0x0100)
    device.write(offset: 2, width: 2, value: 0x0100)
    #expect(device.read(offset: 2, width: 2) == 0x0100)
    device.pressPowerButton()
    device.pressPowerButton()
    #expect(line.levels.events == [true])
    #expect(device.read(offset: 0, width: 2) == 0x0100)
    device.write(offset: 0, width: 2, value: 0x0100)
    #expect(line.levels.events == [true, false])
    #expect(device.read(offset: 0, width: 2) == 0)
  }

  @Test func pressBeforeEnablingIsRemembered() {
    device.pressPowerButton()
    #expect(line.levels.events.isEmpty)
    device.write(offset: 2, width: 2, value: 0x0120)
    #expect(line.levels.events == [true])
    device.write(offset: 2, width: 2, value: 0x0020)
    #expect(line.levels.events == [true, false])
  }

  @Test func statusIsClearedOnlyByItsOwnOne() {
    device.pressPowerButton()
    device.write(offset: 0, width: 2, value: 0xfeff)
    device.write(offset: 0, width: 1, value: 0xff)
    #expect(device.read(offset: 0, width: 2) == 0x0100)
    device.write(offset: 1, width: 1, value: 0x01)
    #expect(device.read(offset: 0, width: 2) == 0)
  }

  @Test func onlyEventsThereAreCanBeEnabled() {
    device.write(offset: 2, width: 2, value: 0xffff)
    #expect(device.read(offset: 2, width: 2) == 0x0721)
  }

  /// Of all 65 536 values of the control register, those with type 5 and SLP_EN power off.
  @Test func onlySoftOffPowersOff() {
    for value in UInt64(0)...0xffff {
      device.write(offset: 4, width: 2, value: value)
      let isSoftOff = value >> 10 & 7 == 5 && value >> 13 & 1 == 1
      #expect(powerOffs.take().count == (isSoftOff ? 1 : 0), "0x\(String(value, radix: 16))")
    }
    device.write(offset: 5, width: 1, value: 0x34)
    #expect(powerOffs.take().count == 1)
  }

  /// ACPICA writes the type first and reads the register back.
  @Test func sleepTypeReadsBackAndSleepEnableDoesNot() {
    device.write(offset: 4, width: 2, value: 0x3401 & ~0x2000)
    #expect(device.read(offset: 4, width: 2) == 0x1401)
    device.write(offset: 4, width: 2, value: 0x3401)
    #expect(device.read(offset: 4, width: 2) == 0x1401)
  }
}

/// The event and the registers that report slots that are filled and emptied.
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

  @Test("A filled slot, or one to be emptied, is reported once for each request")
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

  @Test("An event that a kernel cleared too early is reported when it enables the event")
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
