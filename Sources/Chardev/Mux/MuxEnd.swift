import CKVM
import Glibc
import Host

/// One front end's share of a `MuxChardev`.
final class MuxEnd: ChardevWrapper, ChardevSession {
  weak var delegate: (any ChardevDelegate)?
  private(set) var isConnected = false
  let name: String

  let mux: MuxChardev
  /// What was typed for this front end, and it has not read.
  private var typed: [UInt8] = []
  private var interest: EventLoop.Interest = []
  private lazy var delivery = Deferred { [weak self] in self?.deliverTyped() }
  /// The client has gone, and the front end hears of it once it has read what was typed.
  private var owesDisconnection = false

  init(_ mux: MuxChardev, name: String) {
    self.mux = mux
    self.name = name
  }

  var backend: any Chardev { mux.backend }
  var session: (any ChardevSession)? { self }
  var wantsWritable: Bool { interest.contains(.writable) }

  func start(on loop: EventLoop) throws(SystemError) { try mux.start(self, on: loop) }

  func stop() {
    isConnected = false
    delegate = nil
    mux.stop(self)
  }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    backend.write(segments)
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard !typed.isEmpty else { return isConnected ? .wouldBlock : .disconnected }
    let count = typed.withUnsafeBytes { segments.fill(from: $0) }
    guard count > 0 else { return .wouldBlock }
    typed.removeFirst(count)
    mux.updateWishes()
    if owesDisconnection, typed.isEmpty { delivery.post(on: mux.loop) }
    return .transferred(count)
  }

  func setInterest(_ condition: EventLoop.Interest, _ isWanted: Bool) {
    interest.set(condition, isWanted)
    if wantsTyped { delivery.post(on: mux.loop) }
    mux.updateWishes()
  }

  // MARK: The session

  var waitsForFirstClient: Bool { backend.session?.waitsForFirstClient ?? false }
  func guestWillOpen() { backend.session?.guestWillOpen() }

  /// One front end of several must not end the connection of all.
  func endOutput() { if mux.isAlone(self) { backend.session?.endOutput() } }
  func disconnectClient() { if mux.isAlone(self) { backend.session?.disconnectClient() } }

  // MARK: From the mux, in the event loop

  var typedByteCount: Int { typed.count }

  func type(_ byte: UInt8) { typed.append(byte) }

  func sendBreak() { delegate?.chardevDidReceiveBreak(self) }

  func deliverWritable() { delegate?.chardevIsWritable(self) }

  func deliverResize() { delegate?.chardevDidResize(self) }

  func setConnected(_ connected: Bool) {
    owesDisconnection = !connected && isConnected && !typed.isEmpty
    guard connected != isConnected, !owesDisconnection else { return }
    isConnected = connected
    if connected {
      delegate?.chardevDidConnect(self)
    } else {
      delegate?.chardevDidDisconnect(self)
    }
  }

  /// Offers what was typed for as long as it is wanted.
  func deliverTyped() {
    if wantsTyped { delegate?.chardevIsReadable(self) }
    if wantsTyped { delivery.post(on: mux.loop) }
    if owesDisconnection, typed.isEmpty { setConnected(false) }
  }

  private var wantsTyped: Bool { interest.contains(.readable) && !typed.isEmpty }
}
