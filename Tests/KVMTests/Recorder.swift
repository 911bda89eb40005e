import Host
import KVM
import Synchronization

/// Notes every access of a guest and answers reads from a list.
final class Recorder: VCPUExitHandler {
  enum Access: Equatable {
    case portRead(UInt16, width: Int)
    case portWrite(UInt16, width: Int, UInt32)
    case mmioRead(UInt64, width: Int)
    case mmioWrite(UInt64, width: Int, UInt64)
  }

  private let accesses = Mutex<[Access]>([])
  private let answers: Mutex<[UInt64]>
  private let end = Mutex<VCPUEnd?>(nil)
  private let progress: EventFD

  /// - Parameter answers: what reads get, in turn; all ones when used up.
  init(answers: [UInt64]) throws {
    self.answers = Mutex(answers)
    progress = try EventFD()
  }

  var ending: VCPUEnd? { end.withLock { $0 } }
  var log: [Access] { accesses.withLock { $0 } }

  func note(_ end: VCPUEnd) {
    self.end.withLock { $0 = end }
    progress.signal()
  }

  /// Waits for a condition that an access or the end of the guest makes true.
  func waitUntil(seconds: Double, _ condition: () -> Bool) -> Bool {
    let deadline = Deadline(seconds: seconds)
    while !condition() {
      guard deadline.wait(for: progress.rawValue) else { return condition() }
      progress.drain()
    }
    return true
  }

  // MARK: - VCPUExitHandler

  func portRead(port: UInt16, width: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: answer(.portRead(port, width: width)))
  }

  func portWrite(port: UInt16, width: Int, value: UInt32) {
    note(.portWrite(port, width: width, value))
  }

  func mmioRead(address: UInt64, width: Int) -> UInt64 { answer(.mmioRead(address, width: width)) }

  func mmioWrite(address: UInt64, width: Int, value: UInt64) {
    note(.mmioWrite(address, width: width, value))
  }

  private func answer(_ access: Access) -> UInt64 {
    note(access)
    return answers.withLock { $0.isEmpty ? .max : $0.removeFirst() }
  }

  private func note(_ access: Access) {
    accesses.withLock { $0.append(access) }
    progress.signal()
  }
}
