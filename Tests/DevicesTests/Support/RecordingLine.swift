import Devices

/// Notes each level driven.
final class RecordingLine: InterruptLine {
  let levels = Recorder<Bool>()

  func setLevel(_ asserted: Bool) {
    levels.record(asserted)
  }

  /// Rising edges since the last call.
  func takeEdges() -> Int {
    levels.take().count { $0 }
  }
}
