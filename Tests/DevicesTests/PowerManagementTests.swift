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
