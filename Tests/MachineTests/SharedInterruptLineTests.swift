import Devices
import Synchronization
import Testing

@testable import SwiftVM

@Suite struct SharedInterruptLineTests {
  private final class Recorder: InterruptLine {
    let levels = Mutex<[Bool]>([])
    func setLevel(_ asserted: Bool) { levels.withLock { $0.append(asserted) } }
  }

  @Test("The line stays asserted until the last device lets go")
  func staysAsserted() {
    let recorder = Recorder()
    let line = SharedInterruptLine(recorder)
    let (first, second) = (line.makeEnd(), line.makeEnd())
    first.setLevel(true)
    second.setLevel(true)
    first.setLevel(false)
    #expect(recorder.levels.withLock { $0 } == [true])
    second.setLevel(false)
    #expect(recorder.levels.withLock { $0 } == [true, false])
  }

  @Test("A level repeated counts once")
  func countsOnce() {
    let recorder = Recorder()
    let line = SharedInterruptLine(recorder)
    let (first, second) = (line.makeEnd(), line.makeEnd())
    first.setLevel(true)
    first.setLevel(true)
    first.setLevel(false)
    second.setLevel(false)
    #expect(recorder.levels.withLock { $0 } == [true, false])
  }
}
