import Devices
import Testing

@Suite struct InterruptPinTests {
  @Test func levelIsAssertedAndNotDisabled() {
    let line = RecordingLine()
    var pin = InterruptPin(line: line)
    pin.isAsserted = false
    #expect(line.levels.take() == [])
    pin.isAsserted = true
    pin.isAsserted = true
    #expect(line.levels.take() == [true])
    pin.isDisabled = true
    #expect(line.levels.take() == [false])
    pin.isAsserted = false
    pin.isAsserted = true
    #expect(line.levels.take() == [])
    pin.isDisabled = false
    #expect(line.levels.take() == [true])
    pin.isAsserted = false
    pin.isDisabled = true
    #expect(line.levels.take() == [false])
  }
}
