import CKVM
import Glibc
import Host

/// A chardev whose directions are descriptors of their own, there from the start to the end; either
/// may be missing.
///
/// Always connected. The end of the input ends that direction alone. What can never be written is
/// discarded and counted.
package protocol TwoEndedChardev: Chardev {
  var input: InputEnd? { get }
  var output: OutputEnd? { get }
  var presence: AlwaysConnected { get }
}

extension TwoEndedChardev {
  package var isConnected: Bool { presence.isConnected }
  /// Whether the input has been read to its end.
  package var hasInputEnded: Bool { input?.hasEnded ?? true }
  /// Bytes that went out.
  package var bytesWritten: UInt64 { output?.bytesWritten ?? 0 }
  /// Bytes that could not be written, for good.
  package var bytesDiscarded: UInt64 { output?.bytesDiscarded ?? 0 }

  package func start(on loop: EventLoop) throws(SystemError) { try startEnds(on: loop) }

  func startEnds(on loop: EventLoop) throws(SystemError) {
    try input?.start(on: loop) { [weak self] in
      if let self { delegate?.chardevIsReadable(self) }
    }
    try output?.start(on: loop) { [weak self] in
      if let self { delegate?.chardevIsWritable(self) }
    }
    presence.begin(on: loop) { [weak self] in
      if let self { delegate?.chardevDidConnect(self) }
    }
  }

  package var outputStatus: OutputStatus {
    OutputStatus(unreadByteCount: output?.unreadByteCount ?? 0)
  }

  /// Without an output, what is written is lost.
  package func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    output?.write(segments) ?? .lost(segments.byteCount)
  }

  package func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    input?.read(into: segments) ?? .wouldBlock
  }

  package func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    if condition.contains(.readable) { input?.setWantsReadable(isWanted) }
    if condition.contains(.writable) { output?.setWantsWritable(isWanted) }
  }

  package func stop() {
    input?.stop()
    output?.stop()
    presence.end()
  }
}
